//! The dashboards as documents: where panels lie, that each says what it shows and in which unit, that variables and
//! links lead somewhere, and that each file is kept in one form.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// The model that Grafana 11 writes; older ones it migrates at every load.
const SCHEMA_VERSIONS: std::ops::RangeInclusive<u64> = 39..=41;
const VIEWS: &[&str] =
    &["timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "heatmap", "text", "row"];
/// What Grafana itself defines in queries and in links.
const BUILT_IN: &[&str] = &["__rate_interval", "__interval", "__range", "__url_time_range", "__field", "__value"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Text and model of each file, by its name without suffix.
fn dashboards() -> BTreeMap<String, (String, Value)> {
    let entries = std::fs::read_dir(root().join("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let model = serde_json::from_str(&text).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), (text, model))
    };
    entries.map(read).collect()
}

/// Every panel, rows left out, with a name for messages.
fn panels() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (file, (_, model)) in dashboards() {
        for panel in model["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
            found.push((format!("{file}: {}", panel["title"]), panel.clone()));
        }
    }
    found
}

/// The variables that a text refers to: `$name` and `${name...}`.
fn variables(text: &str) -> BTreeSet<&str> {
    let names = text.match_indices('$').map(|(at, _)| text[at + 1..].trim_start_matches('{'));
    names.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()).collect()
}

/// All values under this key, however deep.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| {
            if name == key {
                found.push(inner);
            }
            under(inner, key, found);
        }),
        Value::Array(list) => list.iter().for_each(|inner| under(inner, key, found)),
        _ => {}
    }
}

#[test]
fn there_are_four_with_stable_ids_and_links_between_them() {
    let found = dashboards();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["accounts", "imap", "overview", "store"]);
    for (file, (_, model)) in &found {
        assert_eq!(model["uid"], format!("tributary-{file}"));
        assert!(SCHEMA_VERSIONS.contains(&model["schemaVersion"].as_u64().unwrap()), "{file}");
        assert_eq!(model["time"]["from"], "now-6h", "{file}");
        let link = &model["links"][0];
        assert!(link["type"] == "dashboards" && link["keepTime"] == true && link["includeVars"] == true, "{file}");
        assert!(model["tags"].as_array().unwrap().contains(&link["tags"][0]), "{file}: not found by its own tag");
    }
}

#[test]
fn files_are_kept_as_two_space_json_with_ids_in_order() {
    for (file, (text, model)) in dashboards() {
        let ids: Vec<_> = model["panels"].as_array().unwrap().iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{file}: {ids:?}");
        assert!(text.is_ascii() && text.ends_with("}\n") && !text.contains('\t'), "{file}");
        let odd = text.lines().find(|line| (line.len() - line.trim_start().len()) % 2 == 1 || line.ends_with(' '));
        assert_eq!(odd, None, "{file}");
    }
}

#[test]
fn rows_begin_at_the_left_and_panels_fill_places_of_their_own() {
    for (file, (_, model)) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in model["panels"].as_array().unwrap() {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= 24, "{file}: {}", panel["title"]);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{file}: {} lies on another at {cell:?}", panel["title"]);
            }
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_from_where() {
    let mut titles = BTreeSet::new();
    for (name, panel) in panels() {
        assert!(titles.insert(name.clone()), "{name}: the title is taken");
        assert!(VIEWS.contains(&panel["type"].as_str().unwrap()), "{name}: {}", panel["type"]);
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{name}: no description");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(!defaults["unit"].as_str().unwrap().is_empty(), "{name}: no unit");
        let steps = defaults["thresholds"]["steps"].as_array().unwrap();
        assert!(steps[0]["value"].is_null(), "{name}: the first threshold is the base");
        let values: Vec<_> = steps[1..].iter().map(|step| step["value"].as_f64().unwrap()).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {values:?}");
        let mut refs = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert!(refs.insert(target["refId"].as_str().unwrap()), "{name}: the same refId twice");
            assert!(!target["expr"].as_str().unwrap().is_empty(), "{name}");
            if panel["type"] == "timeseries" {
                assert!(!target["legendFormat"].as_str().unwrap().is_empty(), "{name}: no legend");
            }
        }
        assert!(!refs.is_empty(), "{name}: no query");
    }
}

#[test]
fn variables_are_defined_and_every_one_is_used() {
    for (file, (_, model)) in dashboards() {
        let list = model["templating"]["list"].as_array().unwrap();
        let defined: BTreeSet<_> = list.iter().map(|v| v["name"].as_str().unwrap()).collect();
        let mut texts = Vec::new();
        ["expr", "uid", "definition"].iter().for_each(|key| under(&model, key, &mut texts));
        let used: BTreeSet<_> = texts.iter().flat_map(|text| variables(text.as_str().unwrap())).collect();
        let own: BTreeSet<_> = used.iter().copied().filter(|name| !BUILT_IN.contains(name)).collect();
        assert_eq!(own, defined, "{file}");
        for variable in list.iter().filter(|v| v["type"] == "query") {
            assert!(variable["multi"] == true && variable["includeAll"] == true, "{file}: {}", variable["name"]);
        }
    }
}

#[test]
fn the_data_source_is_a_variable_everywhere() {
    for (file, (_, model)) in dashboards() {
        let mut sources = Vec::new();
        under(&model, "datasource", &mut sources);
        assert!(sources.len() > 20, "{file}");
        for source in sources {
            let grafana = source["uid"] == "-- Grafana --";
            assert!(
                grafana || (source["uid"] == "${datasource}" && source["type"] == "prometheus"),
                "{file}: {source}"
            );
        }
    }
}

#[test]
fn links_lead_to_dashboards_that_are_here_with_variables_that_those_have() {
    let found = dashboards();
    let mut seen = 0;
    for (file, (_, model)) in &found {
        let mut urls = Vec::new();
        under(model, "url", &mut urls);
        for url in urls.iter().map(|url| url.as_str().unwrap()).filter(|url| !url.is_empty()) {
            let (uid, query) = url.strip_prefix("/d/").unwrap().split_once('?').unwrap();
            let target = found.values().find(|(_, model)| model["uid"] == uid);
            let (_, target) = target.unwrap_or_else(|| panic!("{file}: {url} leads nowhere"));
            for name in query.split('&').filter_map(|part| part.strip_prefix("var-")?.split('=').next()) {
                let list = target["templating"]["list"].as_array().unwrap();
                assert!(list.iter().any(|variable| variable["name"] == name), "{file}: {url}: {name}");
            }
            seen += 1;
        }
    }
    assert!(seen > 0, "no link from an account to its details");
}

#[test]
fn names_of_variables_are_found() {
    let text = "rate(x{a=~\"$account\"}[$__rate_interval]) ${datasource:queryparam} ${__field.labels.account}";
    let names: Vec<_> = variables(text).into_iter().collect();
    assert_eq!(names, ["__field", "__rate_interval", "account", "datasource"]);
}
