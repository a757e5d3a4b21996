use super::*;
use crate::config::Config;
use crate::config::tests::{HASH, good, minimal, one_problem, problems, warnings};
use crate::oauth::Flow;

const PASSWORD: &str = "password: { command: [printf, s3cret] }";
const OAUTH2: &str = "oauth2: { provider: microsoft, client_id: me }";
const TOKEN_COMMAND: &str = "token_command: [print-token, --for, me]";
const URLS: &str = "authorization_url: https://l.example/a, token_url: https://l.example/t, scopes: [pop]";

/// With these keys besides in the `pop3` section.
fn with(keys: &str) -> String {
    minimal("").replace("host: pop.example", &format!("host: pop.example, {keys}"))
}

/// With these keys in place of the password.
fn instead(keys: &str) -> String {
    minimal("").replace(PASSWORD, keys)
}

fn oauth2(keys: &str) -> String {
    instead(&format!("oauth2: {{ {keys} }}"))
}

fn pop3(config: &Config) -> &Pop3 {
    &config.users[0].accounts[0].pop3
}

fn oauth2_of(config: &Config) -> &OAuth2 {
    match &pop3(config).credential {
        Credential::OAuth2(oauth2) => oauth2,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(text: &str, needle: &str) {
    let problem = one_problem(text);
    assert!(problem.contains(&format!("users[0].accounts[0].pop3.{needle}")), "{problem}\n{needle}");
}

#[test]
fn trust_needs_tls_and_one_of_both() {
    let pin = format!("certificate_sha256: \"{}\"", "ab:".repeat(31) + "ab");
    assert!(matches!(pop3(&good(&with(&pin))).trust, Trust::Pin(_)));
    refused(&with(&format!("tls: none, {pin}")), "certificate_sha256: there is no certificate without TLS");
    for tls in ["insecure", "insecure_starttls"] {
        let problem =
            "certificate_sha256: an insecure connection checks no certificate; write tls: implicit or starttls";
        refused(&with(&format!("tls: {tls}, {pin}")), problem);
        let both = problems(&with(&format!("tls: {tls}, ca_file: /no/such.pem")));
        assert!(both.iter().any(|problem| problem.contains("ca_file: an insecure connection")), "{both:?}");
    }
    assert!(one_problem(&with("certificate_sha256: \"ab:cd\"")).contains("not a SHA-256 fingerprint"));
    let both = problems(&with(&format!("{pin}, ca_file: /no/such.pem")));
    assert!(both.iter().any(|problem| problem.contains("exclude each other")), "{both:?}");
    assert!(one_problem(&with("ca_file: no/such.pem")).contains("/base/no/such.pem: "));
}

#[test]
fn default_port_follows_tls() {
    for (tls, port) in
        [("implicit", 995), ("starttls", 110), ("none", 110), ("insecure", 995), ("insecure_starttls", 110)]
    {
        let config = good(&with(&format!("tls: {tls}")));
        assert_eq!(pop3(&config).port, port);
        assert_eq!(pop3(&config).tls.is_insecure(), tls.starts_with("insecure"));
    }
    refused(
        &with("tls: ssl"),
        "tls: \"ssl\" is none of the ways; write implicit, starttls or none, or, for any certificate, insecure or insecure_starttls",
    );
}

#[test]
fn any_certificate_is_a_warning() {
    for (tls, secure) in [("insecure", "implicit"), ("insecure_starttls", "starttls")] {
        let told = warnings(&with(&format!("tls: {tls}")));
        assert_eq!(told.len(), 1, "{told:?}");
        for needle in ["pop3.tls: any certificate is taken", &format!("write {secure} with certificate_sha256")] {
            assert!(told[0].contains(needle), "{told:?}");
        }
    }
}

#[test]
fn a_password_in_the_clear_is_a_warning_where_others_can_read_it() {
    let told = |host: &str, keys: &str| {
        let warnings = warnings(&minimal("").replace("host: pop.example", &format!("host: \"{host}\", {keys}")));
        assert!(warnings.iter().all(|warning| warning.contains("pop3.tls: the password crosses the network")));
        !warnings.is_empty()
    };
    for (host, keys) in [
        ("pop.example", "tls: none"),
        ("192.0.2.1", "tls: none, auth: user"),
        ("pop.example", "tls: none, auth: plain"),
        ("pop.example", "tls: none, auth: login"),
        ("localhost", "tls: none, socks5: \"127.0.0.1:1080\""),
    ] {
        assert!(told(host, keys), "{host} {keys}");
    }
    for (host, keys) in [
        ("pop.example", "tls: starttls"),
        ("pop.example", "tls: implicit"),
        ("pop.example", "tls: none, tunnel: [ssh, pop.example]"),
        ("pop.example", "tls: none, auth: apop"),
        ("pop.example", "tls: none, auth: cram-md5"),
        ("pop.example", "tls: none, auth: scram-sha-256"),
        ("localhost", "tls: none"),
        ("127.0.0.1", "tls: none"),
        ("[::1]", "tls: none"),
    ] {
        assert!(!told(host, keys), "{host} {keys}");
    }
    let token = instead(TOKEN_COMMAND).replace("host: pop.example", "host: pop.example, tls: none, auth: xoauth2");
    assert_eq!(warnings(&token).len(), 1);
}

#[test]
fn every_method_is_known_and_needs_what_it_proves() {
    assert_eq!(pop3(&good(&with("auth: auto"))).auth, None);
    for method in Method::ALL {
        let auth = format!("auth: {}", method.label());
        let (password, token) = (with(&auth), with(&auth).replace(PASSWORD, OAUTH2));
        let command = with(&auth).replace(PASSWORD, TOKEN_COMMAND);
        let (right, wrong, needle) = if method.wants_token() {
            ([&token, &command], [&password, &password], "proves a token, and here is a password; write oauth2 or")
        } else {
            ([&password, &password], [&token, &command], "proves a password, and here is a token; write auto, xoauth2")
        };
        for text in right {
            assert_eq!(pop3(&good(text)).auth, Some(method));
        }
        for text in wrong {
            refused(text, &format!("auth: {} {needle}", method.label()));
        }
    }
    refused(
        &with("auth: gssapi"),
        "auth: \"gssapi\" is no method; write auto, user, apop, plain, login, cram-md5, scram-sha-1, scram-sha-1-plus, \
         scram-sha-256, scram-sha-256-plus, xoauth2 or oauthbearer",
    );
}

#[test]
fn channel_binding_needs_a_channel() {
    for method in ["scram-sha-1", "scram-sha-256"] {
        good(&with(&format!("auth: {method}-plus, tls: insecure_starttls")));
        good(&with(&format!("auth: {method}, tls: none")));
        let needle = format!(
            "auth: {method}-plus is bound to TLS, and here is none; write tls: implicit or starttls, or {method}"
        );
        refused(&with(&format!("auth: {method}-plus, tls: none")), &needle);
    }
}

#[test]
fn exactly_one_credential() {
    assert!(matches!(&pop3(&good(&instead(OAUTH2))).credential, Credential::OAuth2(_)));
    let Credential::TokenCommand(words) = &pop3(&good(&instead(TOKEN_COMMAND))).credential.clone() else { panic!() };
    assert_eq!(words, &["print-token", "--for", "me"]);
    refused(
        &instead("port: 1"),
        "password: is required; write password: { file: PATH }, or oauth2: { provider: ..., client_id: ... }, or token_command: ",
    );
    for (first, second, at) in [
        (PASSWORD, OAUTH2, "oauth2"),
        (PASSWORD, TOKEN_COMMAND, "token_command"),
        (OAUTH2, TOKEN_COMMAND, "token_command"),
    ] {
        let needle = format!("{at}: password, oauth2 and token_command exclude each other; write one of them");
        refused(&instead(&format!("{first}, {second}")), &needle);
        refused(&instead(&format!("{second}, {first}")), &needle);
    }
    for (command, needle) in [
        ("[]", "token_command: no command; write [program, argument, ...]"),
        ("[\"\", x]", "token_command: no command"),
        ("print-token", "token_command: a single value where a list is expected"),
        ("[a, [b]]", "token_command[1]: a list where a single value is expected"),
        ("[a, \"b\\0\"]", "token_command[1]: has a NUL in it"),
    ] {
        refused(&instead(&format!("token_command: {command}")), needle);
    }
}

#[test]
fn providers_have_presets() {
    let google = good(&oauth2("provider: google, client_id: me"));
    assert_eq!((&oauth2_of(&google).provider, oauth2_of(&google).flow), (&OAuthProvider::Google, Flow::Browser));
    let microsoft = good(&oauth2("provider: microsoft, client_id: me"));
    let tenant = |tenant: &str| OAuthProvider::Microsoft { tenant: tenant.to_owned() };
    assert_eq!((&oauth2_of(&microsoft).provider, oauth2_of(&microsoft).flow), (&tenant("common"), Flow::Device));
    let own = good(&oauth2("provider: microsoft, tenant: my-house.example, client_id: me, flow: browser"));
    assert_eq!((&oauth2_of(&own).provider, oauth2_of(&own).flow), (&tenant("my-house.example"), Flow::Browser));
    assert!(oauth2_of(&own).provider.endpoints().token_url.contains("/my-house.example/"));
    for (keys, needle) in [
        (
            "provider: yahoo, client_id: me",
            "provider: \"yahoo\" is no provider known here; write google or microsoft, or",
        ),
        ("provider: google, tenant: x, client_id: me", "tenant: only provider: microsoft has tenants; leave it out"),
        ("provider: microsoft, tenant: a/b, client_id: me", "tenant: \"a/b\" is no tenant; write common, consumers,"),
        ("provider: microsoft, tenant: .., client_id: me", "tenant: \"..\" is no tenant"),
        (
            "provider: google, flow: device, client_id: me",
            "flow: Google gives no access to mail by device code; write browser",
        ),
        (
            "provider: google, flow: telepathy, client_id: me",
            "flow: \"telepathy\" is no way to log in; write device or browser",
        ),
        ("provider: google", "client_id: is required"),
        ("provider: google, client_id: \"\"", "client_id: no client id: it has 1 to 2048 printable ASCII characters"),
        ("provider: google, client_id: \"a\\nb\"", "client_id: no client id"),
        (
            "provider: google, client_id: me, client_secret: { hash: x }",
            "client_secret.hash: the server at the other end",
        ),
        (
            "provider: google, client_id: me, token_url: https://x",
            "token_url: a named provider has its own; leave this out",
        ),
        ("client_id: me", "provider: is required; write provider: google or microsoft, or authorization_url,"),
        ("provider: google, client_id: me, colour: red", "colour: unknown key; the keys here are provider, tenant,"),
    ] {
        refused(&oauth2(keys), &format!("oauth2.{needle}"));
    }
    good(&oauth2(&format!("provider: google, client_id: {}", "x".repeat(2048))));
    refused(&oauth2(&format!("provider: google, client_id: {}", "x".repeat(2049))), "oauth2.client_id: no client id");
    let secret = good(&oauth2("provider: google, client_id: me, client_secret: { command: [printf, s] }"));
    assert_eq!(oauth2_of(&secret).client_secret.as_ref().map(|secret| secret.secret.expose()), Some("s"));
}

#[test]
fn other_providers_are_given_by_their_urls() {
    let config = good(&oauth2(&format!("{URLS}, client_id: me")));
    let OAuthProvider::Custom(provider) = &oauth2_of(&config).provider else { panic!() };
    assert_eq!(
        (provider.authorization_url.as_str(), provider.token_url.as_str()),
        ("https://l.example/a", "https://l.example/t")
    );
    assert_eq!((&provider.device_url, provider.scopes.as_slice()), (&None, ["pop".to_owned()].as_slice()));
    assert_eq!(oauth2_of(&config).flow, Flow::Browser);
    let device = good(&oauth2(&format!("{URLS}, device_url: https://l.example/d, client_id: me")));
    assert_eq!(oauth2_of(&device).flow, Flow::Device);
    refused(
        &oauth2(&format!("{URLS}, flow: device, client_id: me")),
        "oauth2.flow: a login by device code needs device_url; write that too, or browser",
    );
    refused(&oauth2(&format!("{URLS}, tenant: common, client_id: me")), "oauth2.tenant: only provider: microsoft");
    for (left_out, key) in [
        ("authorization_url: https://l.example/a, ", "authorization_url"),
        ("token_url: https://l.example/t, ", "token_url"),
        (", scopes: [pop]", "scopes"),
    ] {
        let text = oauth2(&format!("{}, client_id: me", URLS.replace(left_out, "")));
        refused(&text, &format!("oauth2.{key}: is required; write {key}: "));
    }
    for (scopes, needle) in [
        ("[]", "scopes: is empty; write the scopes"),
        ("[\"a b\"]", "scopes[0]: \"a b\" is no scope; write one scope an entry"),
        ("[a, \"\"]", "scopes[1]: \"\" is no scope"),
        ("pop", "scopes: a single value where a list is expected"),
    ] {
        refused(&oauth2(&format!("{}, client_id: me", URLS.replace("[pop]", scopes))), &format!("oauth2.{needle}"));
    }
}

#[test]
fn tokens_travel_by_tls_or_not_at_all() {
    let at =
        |url: &str| oauth2(&format!("{}, client_id: me", URLS.replace("https://l.example/t", &format!("\"{url}\""))));
    for url in ["http://localhost:8080/t", "http://127.0.0.1/t", "http://[::1]:1/t", "https://10.0.0.1/t"] {
        good(&at(url));
    }
    for (url, needle) in [
        ("http://l.example/t", "would send tokens for everyone to read; write https:// in place of http://"),
        ("http://localhost.example/t", "would send tokens"),
        ("http://127.0.0.1.example/t", "would send tokens"),
        ("http://localhost@l.example/t", "has no user, password or fragment"),
        ("https://l.example/t#x", "has no user, password or fragment"),
        ("ftp://l.example/t", "is no https URL; write it as in https://login.example.com/token"),
        ("l.example/t", "is no URL"),
        ("", "is no URL"),
    ] {
        let problem = one_problem(&at(url));
        assert!(problem.contains("pop3.oauth2.token_url: ") && problem.contains(needle), "{problem}");
    }
    let long = |length: usize| format!("https://l.example/{}", "x".repeat(length - 18));
    good(&at(&long(2048)));
    refused(&at(&long(2049)), "oauth2.token_url: longer than 2048 characters");
}

#[test]
fn a_proxy_or_a_tunnel() {
    let route = |keys: &str| pop3(&good(&with(keys))).route.clone();
    let socks5 = |keys: &str| match route(keys) {
        Route::Socks5(proxy) => proxy,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        socks5("socks5: \"proxy.example:1080\""),
        Socks5 { host: "proxy.example".to_owned(), port: 1080, login: None }
    );
    assert_eq!(
        socks5("socks5: { address: \"[::1]:9050\" }"),
        Socks5 { host: "::1".to_owned(), port: 9050, login: None }
    );
    let full = socks5("socks5: { address: \"p:1\", username: me, password: { command: [printf, pw] } }");
    let login = full.login.as_ref().map(|(name, password)| (name.as_str(), password.secret.expose()));
    assert_eq!(login, Some(("me", "pw")));
    assert_eq!(
        route("tunnel: [ssh, h, nc, localhost, 110]"),
        Route::Tunnel(["ssh", "h", "nc", "localhost", "110"].map(str::to_owned).to_vec())
    );
    for (keys, needle) in [
        ("socks5: proxy.example", "socks5: \"proxy.example\" is no host and port; write them as in \"127.0.0.1:1080\""),
        ("socks5: [a]", "socks5: a list where a mapping is expected"),
        ("socks5: {}", "socks5.address: is required; write address: \"127.0.0.1:1080\""),
        ("socks5: { address: \"p:0\" }", "socks5.address: \"p:0\" is no host and port"),
        ("socks5: { address: \"p:1\", colour: red }", "socks5.colour: unknown key"),
        ("socks5: { address: \"p:1\", username: me }", "socks5.username: username and password go together"),
        (
            "socks5: { address: \"p:1\", password: { command: [printf, pw] } }",
            "socks5.password: username and password go",
        ),
        (
            "socks5: { address: \"p:1\", username: \"\", password: { command: [printf, pw] } }",
            "socks5.username: a user name for",
        ),
        ("tunnel: []", "tunnel: no command; write [program, argument, ...]"),
        ("tunnel: ssh", "tunnel: a single value where a list is expected"),
        ("socks5: \"p:1\", tunnel: [ssh]", "tunnel: socks5 and tunnel exclude each other; write one of them"),
    ] {
        refused(&with(keys), needle);
    }
    for (name, password, at_most) in [(255, 255, true), (256, 255, false), (255, 256, false)] {
        let secret = format!("{{ command: [printf, {}] }}", "p".repeat(password));
        let keys = format!("socks5: {{ address: \"p:1\", username: {}, password: {secret} }}", "u".repeat(name));
        if at_most {
            good(&with(&keys));
        } else {
            assert!(one_problem(&with(&keys)).contains("255 bytes"));
        }
    }
}

/// What `check-config` prints is a configuration: the same, once the secrets are put back.
#[test]
fn every_form_reads_back_as_printed() {
    let pin = format!("certificate_sha256: \"{}\"", "ab:".repeat(31) + "ab");
    let in_account = |lines: &str| minimal(lines);
    let mut forms = vec![
        with(&pin),
        with("socks5: \"[::1]:1080\""),
        with("socks5: { address: \"p:1\", username: me, password: { env: PATH } }"),
        with("tunnel: [ssh, \"a b\", \"\", \"110\"]"),
        instead(OAUTH2),
        instead(TOKEN_COMMAND),
        oauth2("provider: google, client_id: me, client_secret: { command: [printf, s] }"),
        oauth2("provider: microsoft, tenant: consumers, client_id: me, flow: browser"),
        oauth2(&format!("{URLS}, client_id: \"7\"")),
        oauth2(&format!("{URLS}, device_url: \"http://[::1]:8/d\", flow: browser, client_id: me")),
        in_account("        delete_larger_than: 10MiB\n        delete_dry_run: true\n"),
        in_account(
            "limits: { pop3: { connections: 7, session_size: 3GiB, session_time: 1h 5m, header_size: 5KiB } }\n",
        ),
    ];
    forms.extend(Pop3Tls::NAMES.iter().map(|(name, _)| with(&format!("tls: {name}"))));
    forms.extend(Method::ALL.iter().filter(|m| !m.wants_token()).map(|m| with(&format!("auth: {}", m.label()))));
    for policy in ["forever", "never", "until_expunged", "14d", "1s", "1h 30m", "50y", "1500ms"] {
        forms.push(in_account(&format!("        leave_on_server: {policy}\n")));
    }
    for choice in ["all", "new", "newest 500", "since 90d", "since 2y 3d"] {
        forms.push(in_account(&format!("        first_poll: {choice}\n")));
    }
    for text in forms {
        let config = good(&text);
        let printed = config.to_yaml().expect("yaml");
        assert!(!printed.contains("argon2id"), "{printed}");
        assert_eq!(good(&printed.replace("***", HASH)), config, "{printed}");
    }
    let plain = good(&with("socks5: { address: \"p:1\", username: me, password: hunter2 }"));
    let printed = plain.to_yaml().expect("yaml");
    assert!(printed.contains("password: '***'") && !printed.contains("hunter2"), "{printed}");
    let plain = good(&oauth2("provider: google, client_id: me, client_secret: hunter2"));
    assert!(!plain.to_yaml().expect("yaml").contains("hunter2") && !format!("{plain:?}").contains("hunter2"));
}
