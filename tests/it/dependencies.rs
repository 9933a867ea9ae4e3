//! The direction between the crates, which lets the protocol ship alone and keeps it from knowing
//! its tester.

use std::collections::BTreeMap;
use std::process::Command;

/// For each package of the workspace, the packages of the workspace that it depends on; with
/// the kind, if it is not the normal one.
fn workspace_dependencies() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let members: Vec<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a list");
            // A crate that names itself does so to have another feature in its tests.
            let inside = dependencies
                .iter()
                .filter(|found| members.contains(&name(found)) && name(found) != name(package));
            let named = inside.map(|found| match found["kind"].as_str() {
                None => name(found),
                Some(kind) => format!("{} ({kind})", name(found)),
            });
            (name(package), named.collect())
        })
        .collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let found = workspace_dependencies();
    let of = |package: &str| found.get(package).cloned().unwrap_or_else(|| panic!("no {package}"));
    assert_eq!(of("sim"), [] as [&str; 0]);
    assert_eq!(of("manifest-core"), ["local-store (dev)"], "for an example, never to ship");
    assert_eq!(of("local-store"), ["sim-storage (dev)"]);
    assert_eq!(of("sim-storage"), ["sim"]);
    let mut root = of("vopr");
    root.sort();
    root.dedup();
    assert_eq!(root, ["local-store", "manifest-core", "sim", "sim-storage"]);
}

#[test]
fn bugs_can_be_planted_only_where_the_feature_is_asked_for() {
    let manifest = include_str!("../../crates/manifest-core/Cargo.toml");
    let default = manifest.lines().find(|line| line.trim_start().starts_with("default"));
    assert!(
        default.is_none_or(|line| !line.contains("planted-bugs")),
        "a published manifest-core must not hold planted bugs: {default:?}"
    );
}
