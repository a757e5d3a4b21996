//! What is shipped beside the binary agrees with it and with itself: images, compose, units, packages. Docker itself is not
//! needed: compose is judged by its own schema, the image's steps are looked at, and its healthcheck is run.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value as Yaml;
use support::server::Server;
use support::{config, have, run, scratch, script};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: impl AsRef<Path>) -> Yaml {
    let text = read(&path);
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// All files that git knows, but those that are data of tests.
fn tracked() -> Vec<String> {
    let listed = run(Command::new("git").arg("-C").arg(root()).arg("ls-files"));
    listed.lines().filter(|file| !file.starts_with("tests/") && !file.starts_with("fuzz/")).map(str::to_owned).collect()
}

fn services() -> Vec<(String, Yaml)> {
    let mut compose = yaml("docker-compose.yml");
    compose.apply_merge().unwrap();
    let services = compose["services"].as_mapping().unwrap();
    services.iter().map(|(name, service)| (name.as_str().unwrap().to_owned(), service.clone())).collect()
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_sequence().map(|all| all.iter().map(|one| one.as_str().unwrap()).collect()).unwrap_or_default()
}

#[test]
fn all_yaml_and_json_files_parse() {
    let files = tracked();
    assert!(files.len() > 100, "only {files:?}");
    for file in files {
        match Path::new(&file).extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") => drop(yaml(&file)),
            Some("json") => drop(serde_json::from_str::<serde_json::Value>(&read(&file)).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn compose_is_valid_by_its_own_schema() {
    if script::have_module("check_jsonschema") {
        let file = root().join("docker-compose.yml");
        run(Command::new(script::python())
            .args(["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"])
            .arg(file));
    }
}

#[test]
fn compose_mounts_files_that_exist_and_publishes_on_loopback_only() {
    let compose = yaml("docker-compose.yml");
    for (name, service) in services() {
        assert!(!texts(&service["profiles"]).is_empty(), "{name} belongs to a profile");
        for volume in texts(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(file) => assert!(root().join(file).exists(), "{name} mounts {source}"),
                None => {
                    assert!(compose["volumes"].as_mapping().unwrap().contains_key(source), "{name} mounts {source}")
                }
            }
        }
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        for secret in texts(&service["secrets"]) {
            let file = compose["secrets"][secret]["file"].as_str().unwrap();
            assert!(root().join(file).parent().unwrap().is_dir(), "{file}");
        }
    }
}

/// By one name, whichever profile runs; and the ports are those that the service listens on.
#[test]
fn prometheus_finds_the_service_of_either_profile_with_its_rules() {
    let prometheus = yaml("config/prometheus.yml");
    let target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str().unwrap();
    let (host, port) = target.split_once(':').unwrap();
    let services = services();
    let of = |name: &str| &services.iter().find(|(known, _)| known == name).unwrap().1;
    assert!(host == "tributary" && texts(&of("demo")["networks"]["default"]["aliases"]).contains(&host));
    assert!(texts(&of("demo")["command"]).contains(&format!("0.0.0.0:{port}").as_str()));
    let container = yaml("config/container/tributary.yaml");
    assert_eq!(container["http"]["listen"].as_str().unwrap(), format!("0.0.0.0:{port}"));
    for name in ["tributary", "demo"] {
        assert!(texts(&of(name)["ports"]).iter().any(|published| published.ends_with(&format!(":{port}"))), "{name}");
    }
    let mounts = texts(&of("prometheus")["volumes"]);
    assert!(mounts.contains(&"./config/prometheus:/etc/prometheus/prometheus:ro"));
    assert_eq!(texts(&prometheus["rule_files"]), ["prometheus/alerts.yml"], "relative to /etc/prometheus");
    let provisioned = yaml("config/grafana/provisioning/dashboards/tributary.yml");
    let path = provisioned["providers"][0]["options"]["path"].as_str().unwrap();
    assert!(texts(&of("grafana")["volumes"]).contains(&format!("./dashboards:{path}:ro").as_str()), "{path}");
    let home = of("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().unwrap();
    assert!(root().join("dashboards").join(home.strip_prefix(&format!("{path}/")).unwrap()).is_file(), "{home}");
    let source = yaml("config/grafana/provisioning/datasources/prometheus.yml");
    assert_eq!(source["datasources"][0]["url"].as_str().unwrap(), "http://prometheus:9090");
}

#[test]
fn the_configuration_of_the_container_is_valid_with_its_secrets() {
    let dir = scratch();
    let mut text = read("config/container/tributary.yaml");
    let compose = yaml("docker-compose.yml");
    for (name, _) in compose["secrets"].as_mapping().unwrap() {
        let (mounted, here) =
            (format!("/run/secrets/{}", name.as_str().unwrap()), dir.path().join(name.as_str().unwrap()));
        assert!(text.contains(&mounted), "{mounted} is not used");
        std::fs::write(&here, "s3cret\n").unwrap();
        text = text.replace(&mounted, &here.display().to_string());
    }
    assert!(!text.contains("/run/secrets/"), "a secret that compose does not give: {text}");
    let loaded = tributary::config::parse(&text, dir.path()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

/// The instructions of the Dockerfile, with continued lines joined.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn what_the_image_copies_is_there_and_is_all_that_the_build_needs() {
    let ignored = read(".dockerignore");
    let mut copied = Vec::new();
    for instruction in instructions().iter().filter(|line| line.starts_with("COPY ") && !line.contains("--from=")) {
        let words: Vec<&str> = instruction.split(' ').skip(1).collect();
        copied.extend(words[..words.len() - 1].iter().map(|word| (*word).to_owned()));
    }
    for source in &copied {
        assert!(root().join(source).exists(), "{source}");
        assert!(!ignored.lines().any(|line| line.trim_start_matches('/') == source), "{source} is ignored");
    }
    // Cargo reads nothing but these: with them alone the manifest is whole.
    let dir = scratch();
    for source in &copied {
        run(Command::new("cp").arg("-r").arg(root().join(source)).arg(dir.path()));
    }
    run(Command::new("cargo")
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(dir.path()));
    for file in tracked().iter().filter(|file| file.starts_with("src/") && file.ends_with(".rs")) {
        let (text, directory) = (read(file), Path::new(file).parent().unwrap());
        for embedded in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|start| text.split(start).skip(1)) {
            let path = directory.join(embedded.split('"').next().unwrap());
            let within = dir.path().join(&path);
            assert!(within.is_file() || text.contains("#[cfg(test)]"), "{file} embeds {}", path.display());
        }
    }
}

#[test]
fn the_image_runs_as_nobody_and_is_checked_by_the_binary_itself() {
    let all = instructions();
    let of =
        |name: &str| all.iter().rfind(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}")).clone();
    assert!(of("USER").ends_with(" 65532:65532") && of("STOPSIGNAL").ends_with(" SIGTERM"));
    assert!(
        of("COPY --from=build --chown=65532:65532").ends_with(" /var/lib/tributary")
            && of("VOLUME").ends_with("/var/lib/tributary")
    );
    let check = of("HEALTHCHECK");
    let words: Vec<String> = serde_json::from_str(&check[check.find('[').unwrap()..]).unwrap();
    assert_eq!(words[0], serde_json::from_str::<Vec<String>>(&of("ENTRYPOINT")["ENTRYPOINT ".len()..]).unwrap()[0]);
    let dir = scratch();
    let server = Server::start(dir.path(), &config::yaml(dir.path(), &[]));
    let address = server.address("http").to_string();
    let healthcheck = |address: &str| {
        let arguments = words[1..].iter().map(|word| if word == "127.0.0.1:8025" { address } else { word });
        Command::new(env!("CARGO_BIN_EXE_tributary")).args(arguments).output().unwrap()
    };
    assert!(healthcheck(&address).status.success());
    assert!(server.stop().success());
    let gone = healthcheck(&address);
    let words = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(gone.status.code() == Some(1) && words.contains(&format!("no answer from {address}")), "{words}");
}

#[test]
fn the_package_has_what_it_names() {
    let manifest = read("Cargo.toml");
    let assets: Vec<&str> =
        manifest.lines().filter_map(|line| line.trim().strip_prefix("[\"")?.split('"').next()).collect();
    assert!(assets.len() > 15, "{assets:?}");
    for asset in assets.iter().filter(|asset| !asset.starts_with("target/") && !asset.contains('*')) {
        assert!(root().join(asset).is_file(), "{asset}");
    }
    let made = read("packaging/build-deb.sh");
    for shell in ["bash", "zsh", "fish"] {
        assert!(assets.contains(&format!("target/packaging/tributary.{shell}").as_str()) && made.contains(shell));
    }
    for unit in std::fs::read_dir(root().join("packaging/systemd")).unwrap() {
        let name = unit.unwrap().file_name().into_string().unwrap();
        // The service and its user are put there by the unit-scripts of the package.
        assert!(
            name.ends_with(".sysusers")
                || name == "tributary.service"
                || assets.iter().any(|asset| asset.ends_with(&name)),
            "{name} is in no package"
        );
    }
}

#[test]
fn pages_and_completions_are_such() {
    if !have(&["mandoc", "bash", "zsh", "fish"]) {
        return;
    }
    let tributary = || Command::new(env!("CARGO_BIN_EXE_tributary"));
    let dir = scratch();
    run(tributary().args(["man", "--dir"]).arg(dir.path()));
    let pages: Vec<PathBuf> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() > 20 && dir.path().join("tributary-who.1").is_file(), "{pages:?}");
    for page in &pages {
        run(Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(page));
    }
    let poll = run(Command::new("mandoc").args(["-T", "ascii"]).arg(dir.path().join("tributary-poll.1")));
    assert!(
        poll.lines().any(|line| line.trim() == "tributary poll alice/isp --dry-run"),
        "examples keep their lines: {poll}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let file = dir.path().join(shell);
        std::fs::write(&file, run(tributary().args(["completions", shell]))).unwrap();
        run(Command::new(shell).arg("-n").arg(&file));
    }
    let script = format!(
        "source {}; COMP_WORDS=(tributary st); COMP_CWORD=1; _tributary tributary st tributary; echo ${{COMPREPLY[@]}}",
        dir.path().join("bash").display()
    );
    assert_eq!(run(Command::new("bash").args(["-c", &script])).trim(), "status stats");
}
