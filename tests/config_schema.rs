//! The JSON schema beside the shipped configuration, by which editors complete and check: it knows the keys that the service
//! reads, and no others, says the truth about defaults, and takes what the service takes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tributary::config;

const SCHEMA: &str = include_str!("../config/tributary.schema.json");
const EXAMPLE: &str = include_str!("../config/tributary.yaml");

/// Every section once, each with a key that no section has.
const PROBE: &str = r#"
zzzzzzzz: 1
webhooks: [{ zzzzzzzz: 1 }]
log: { zzzzzzzz: 1 }
imap: { zzzzzzzz: 1 }
tls: { zzzzzzzz: 1 }
http: { zzzzzzzz: 1 }
limits: { zzzzzzzz: 1, imap: { zzzzzzzz: 1 }, pop3: { zzzzzzzz: 1 } }
users:
  - zzzzzzzz: 1
    imap: { zzzzzzzz: 1 }
    rules: [{ zzzzzzzz: 1, match: { zzzzzzzz: 1 } }]
    accounts:
      - zzzzzzzz: 1
        pop3: { zzzzzzzz: 1, oauth2: { zzzzzzzz: 1 }, socks5: { zzzzzzzz: 1 } }
"#;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// What a `$ref` stands for.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// The schema of the mapping at a key path such as `users[0].pop3`.
fn at<'a>(root: &'a Value, path: &str) -> &'a Value {
    let mut schema = root;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (key, index) = step.split_once('[').map_or((step, false), |(key, _)| (key, true));
        schema = resolve(root, &schema["properties"][key]);
        if index {
            schema = resolve(root, &schema["items"]);
        }
        if let Some(forms) = schema["anyOf"].as_array() {
            schema = forms.iter().find(|form| form["type"] == "object").unwrap();
        }
    }
    assert_eq!(schema["type"], "object", "{path}");
    schema
}

#[test]
fn it_has_the_keys_that_the_service_reads_and_no_others() {
    let root = schema();
    let problems = config::parse(PROBE, Path::new("")).unwrap_err();
    let mut sections = BTreeSet::new();
    for problem in &problems {
        let Some(keys) = problem.what.strip_prefix("unknown key; the keys here are ") else { continue };
        let path = problem.path.trim_end_matches("zzzzzzzz").trim_end_matches('.');
        let read: BTreeSet<&str> = keys.split(", ").collect();
        let section = at(&root, path);
        let offered: BTreeSet<&str> = section["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(offered, read, "{path}");
        assert_eq!(section["additionalProperties"], false, "{path}");
        sections.insert(path);
    }
    assert_eq!(sections.len(), PROBE.matches("zzzzzzzz").count(), "{problems:#?}");
}

#[test]
fn its_defaults_are_those_of_the_service() {
    /// How many defaults were compared.
    fn compare(root: &Value, schema: &Value, value: &Value, path: &str) -> usize {
        let target = resolve(root, schema);
        let default = schema.get("default").or_else(|| target.get("default"));
        if let Some(default) = default {
            assert_eq!(default, value, "{path}");
        }
        let keys = target["properties"].as_object().into_iter().flatten();
        let below: usize = keys
            .filter_map(|(key, schema)| Some(compare(root, schema, value.get(key)?, &format!("{path}.{key}"))))
            .sum();
        let items = value.as_array().into_iter().flatten().filter(|_| target["items"].is_object());
        let in_items: usize = items.map(|item| compare(root, &target["items"], item, &format!("{path}[]"))).sum();
        usize::from(default.is_some()) + below + in_items
    }
    let text =
        "users: [{ name: u, password: p, accounts: [{ name: a, pop3: { host: h, username: u, password: p } }] }]\n";
    let config = config::parse(text, Path::new("")).unwrap().config;
    let root = schema();
    let compared = compare(&root, &root, &yaml(&config.to_yaml().unwrap()), "");
    assert!(compared > 40, "only {compared} were compared");
}

/// What is wrong with the value by the schema. A keyword that this does not know is a mistake in the schema.
fn wrong(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let list = || rule.as_array().unwrap().iter();
        let valid = |rule: &Value| wrong(root, rule, value, path).is_empty();
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "definitions" => true,
            // Only that it stands where a string may.
            "pattern" => value.is_string() || schema["type"].is_array(),
            "$ref" => {
                found.extend(wrong(root, resolve(root, schema), value, path));
                true
            }
            "type" => {
                let kinds = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                kinds.iter().any(|kind| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => value.is_u64(),
                    other => panic!("{path}: unknown type {other}"),
                })
            }
            "enum" => list().any(|allowed| allowed == value),
            "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
            "maximum" => value.as_u64().is_none_or(|number| number <= rule.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "required" => list().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "anyOf" => list().any(valid),
            "oneOf" => list().filter(|rule| valid(rule)).count() == 1,
            "allOf" => list().all(valid),
            "not" => !valid(rule),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(wrong(root, rule, item, &format!("{path}[{index}]")));
                }
                true
            }
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    let value = value.get(key);
                    found.extend(
                        value.map(|value| wrong(root, rule, value, &format!("{path}.{key}"))).unwrap_or_default(),
                    );
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, false, "{path}");
                value.as_object().is_none_or(|map| map.keys().all(|key| schema["properties"].get(key).is_some()))
            }
            other => panic!("{path}: unknown keyword {other}"),
        };
        if !holds {
            found.push(format!("{path}: {keyword}: {rule} does not hold for {value}"));
        }
    }
    found
}

fn check(value: &Value) -> Vec<String> {
    let root = schema();
    wrong(&root, &root, value, "")
}

#[test]
fn it_takes_the_shipped_configuration_with_and_without_what_is_off() {
    assert_eq!(check(&yaml(EXAMPLE)), Vec::<String>::new());
    assert!(EXAMPLE.starts_with("# yaml-language-server: $schema=tributary.schema.json\n"));
    // Two spaces after a "#" in the first column, or none: a setting, not prose. ca_file excludes the pin.
    let is_setting = |rest: &str| !rest.is_empty() && (!rest.starts_with(' ') || rest.starts_with("  "));
    let switched_on: String = EXAMPLE
        .lines()
        .filter(|line| !line.contains(" ca_file:"))
        .map(|line| line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line).to_owned() + "\n")
        .collect();
    let value = yaml(&switched_on);
    assert!(value["users"][0]["accounts"].as_array().unwrap().len() > 4);
    assert_eq!(check(&value), Vec::<String>::new());
}

/// The account, and whether it is right: the service and the schema agree.
#[test]
fn it_takes_and_refuses_what_the_service_does() {
    let agree = |pop3: &str, rest: &str, right: bool| {
        let text = format!(
            "users: [{{ name: u, password: p, accounts: [{{ name: a, pop3: {{ host: h, username: u, {pop3} }}, {rest} }}] }}]\n"
        );
        let read = config::parse(&text, Path::new(""));
        assert_eq!(read.is_ok(), right, "the service on {text}: {read:?}");
        let found = check(&yaml(&text));
        assert_eq!(found.is_empty(), right, "the schema on {text}: {found:?}");
        if let Ok(loaded) = read {
            let printed = loaded.config.to_yaml().unwrap();
            assert_eq!(check(&yaml(&printed)), Vec::<String>::new(), "{printed}");
        }
    };
    for method in tributary::pop3::Method::ALL {
        let proof = if method.wants_token() { "token_command: [print-token]" } else { "password: p" };
        agree(&format!("auth: {}, {proof}", method.label()), "", true);
    }
    for tls in ["implicit", "starttls", "none", "insecure", "insecure_starttls"] {
        agree(&format!("tls: {tls}, password: p"), "", true);
    }
    let urls = "authorization_url: https://l.example/a, token_url: https://l.example/t, scopes: [pop]";
    for pop3 in [
        "password: { command: [printf, 7] }",
        "password: { env: PATH }",
        "port: 1, password: 7",
        "socks5: \"p:1\", password: p",
        "socks5: { address: \"p:1\", username: u, password: p }, password: p",
        "tunnel: [nc, h, 110], password: p",
        "oauth2: { provider: google, client_id: me, client_secret: s, flow: browser }",
        "oauth2: { provider: microsoft, tenant: common, client_id: me, flow: device }",
        &format!("oauth2: {{ {urls}, device_url: https://l.example/d, client_id: me }}"),
    ] {
        agree(pop3, "", true);
    }
    for pop3 in [
        "colour: red, password: p",
        "port: 65536, password: p",
        "tls: ssl, password: p",
        "auth: gssapi, password: p",
        "password: { hash: x }",
        "password: { env: PATH, file: x }",
        "password: {}",
        "port: 1",
        "password: p, token_command: [x]",
        "token_command: []",
        "socks5: {}, password: p",
        "socks5: \"p:1\", tunnel: [x], password: p",
        "oauth2: { provider: google }",
        "oauth2: { client_id: me }",
        "oauth2: { provider: yahoo, client_id: me }",
        &format!("oauth2: {{ provider: google, {urls}, client_id: me }}"),
        &format!("oauth2: {{ {urls}, client_id: me, flow: telepathy }}"),
    ] {
        agree(pop3, "", false);
    }
    for rest in [
        "leave_on_server: never",
        "leave_on_server: until_expunged",
        "leave_on_server: 14d",
        "delete_larger_than: 25MiB, delete_dry_run: true",
        "first_poll: newest 500",
        "enabled: false, poll_interval: 1h 30m, max_message_size: 65536",
    ] {
        agree("password: p", rest, true);
    }
    for rest in ["leave_on_server: [never]", "delete_dry_run: 1", "colour: red", "delete_larger_than: {}"] {
        agree("password: p", rest, false);
    }
}
