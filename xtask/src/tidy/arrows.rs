//! The dependency arrows: which package of ours may know which.
//!
//! Enters: `cargo metadata`. Leaves: one line per arrow that points the wrong way. Development
//! dependencies do not ship and may point anywhere but to the packages that never ship.

use serde_json::Value;

/// What a package may depend on when it ships.
struct Rule {
    package: &'static str,
    /// Packages of the workspace it may know.
    ours: &'static [&'static str],
    /// Other packages it may know; `None` leaves them free.
    others: Option<&'static [&'static str]>,
    /// Whether it ships; what does not ship may stand on everything.
    ships: bool,
}

const FORMATS: &str = "trine-formats";

const RULES: [Rule; 11] = [
    Rule { package: FORMATS, ours: &[], others: Some(&[]), ships: true },
    Rule { package: "trine-softnic", ours: &[FORMATS], others: Some(&["crc32fast"]), ships: true },
    Rule { package: "trine-driver", ours: &[FORMATS], others: None, ships: true },
    Rule { package: "trine-hw", ours: &[FORMATS], others: Some(&["rust-hdl"]), ships: true },
    Rule { package: "trine-core", ours: &[FORMATS], others: None, ships: true },
    Rule {
        package: "trine-daemon",
        ours: &["trine-core", "trine-driver", "trine-softnic", FORMATS],
        others: None,
        ships: true,
    },
    Rule { package: "trine", ours: &["trine-daemon", "trine-core", FORMATS], others: None, ships: true },
    Rule {
        package: "trine-sim",
        ours: &["trine-core", "trine-driver", "trine-softnic", FORMATS],
        others: None,
        ships: false,
    },
    Rule {
        package: "trine-verilator-tests",
        ours: &["trine-hw", "trine-softnic", "trine-driver", FORMATS],
        others: None,
        ships: false,
    },
    Rule {
        package: "trine-fuzz-targets",
        ours: &["trine-daemon", "trine-core", "trine-driver", "trine-softnic", FORMATS],
        others: None,
        ships: false,
    },
    Rule {
        package: "xtask",
        ours: &["trine-daemon", "trine-core", "trine-driver", "trine-softnic", FORMATS],
        others: None,
        ships: false,
    },
];

/// Every violation in the metadata of the workspace.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(rule) = RULES.iter().find(|rule| rule.package == name) else {
            violations.push(format!("package `{name}` has no rule: say in tidy/arrows.rs what it may know"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let ours = names.contains(&on);
            let ships_not = RULES.iter().any(|rule| rule.package == on && !rule.ships);
            if dependency["kind"] == "dev" {
                if rule.ships && ships_not {
                    violations.push(format!("`{name}` ships, `{on}` does not: no test of it may need that"));
                }
                continue;
            }
            let allowed = match (ours, rule.others) {
                (true, _) => rule.ours.contains(&on),
                (false, Some(others)) => others.contains(&on),
                (false, None) => true,
            };
            if !allowed {
                violations.push(format!("`{name}` must not depend on `{on}`"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, on: &str, kind: Value) -> Value {
        let dependency = serde_json::json!({ "name": on, "kind": kind });
        let packages: Vec<Value> = RULES
            .iter()
            .map(|rule| {
                let own = if rule.package == name { vec![dependency.clone()] } else { Vec::new() };
                serde_json::json!({ "name": rule.package, "dependencies": own })
            })
            .collect();
        serde_json::json!({ "packages": packages })
    }

    #[test]
    fn arrows_point_down() {
        for (name, on) in [
            ("trine-softnic", FORMATS),
            ("trine-softnic", "crc32fast"),
            ("trine-daemon", "trine-driver"),
            ("trine", "trine-daemon"),
            ("trine-sim", "trine-core"),
            ("trine-driver", "libc"),
        ] {
            assert!(check(&metadata(name, on, Value::Null)).is_empty(), "{name} -> {on}");
        }
        for (name, on) in [
            (FORMATS, "serde"),
            (FORMATS, "trine-core"),
            ("trine-softnic", "libc"),
            ("trine-driver", "trine-core"),
            ("trine-hw", "trine-driver"),
            ("trine-core", "trine-softnic"),
            ("trine-daemon", "xtask"),
        ] {
            assert_eq!(check(&metadata(name, on, Value::Null)).len(), 1, "{name} -> {on}");
        }
    }

    #[test]
    fn tests_may_look_around_but_not_at_what_never_ships() {
        assert!(check(&metadata(FORMATS, "proptest", "dev".into())).is_empty());
        assert_eq!(check(&metadata("trine-core", "trine-sim", "dev".into())).len(), 1);
    }

    #[test]
    fn a_new_package_needs_a_rule() {
        let metadata = serde_json::json!({ "packages": [{ "name": "trine-new", "dependencies": [] }] });
        assert_eq!(check(&metadata).len(), 1);
    }
}
