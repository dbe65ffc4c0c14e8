//! Pages and pictures of docs/ that the program makes itself are what it makes today.
//!
//! After a change that is meant: `OCPLAY_SNAPSHOTS=write cargo test -p ocplay generated`.

use std::path::Path;

use crate::common::Project;

/// What a command prints in the project's own tree is what the file says.
#[track_caller]
fn is_fresh(args: &[&str], file: &str) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::new();
    let output = project.command(args).current_dir(&tree).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = tree.join(file);
    if std::env::var_os("OCPLAY_SNAPSHOTS").is_some_and(|how| how == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{file} is not what 'ocplay {}' makes; OCPLAY_SNAPSHOTS=write makes it anew",
        args.join(" ")
    );
}

/// Every scenario of the project is read, and its playbook is sound.
#[test]
fn shipped_scenarios_are_sound() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::new();
    let output = project
        .command(&["test", "syntax", "--all", "--jobs", "1"])
        .current_dir(&tree)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let more = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{more}");
    // Nothing in them goes without effect.
    assert!(!more.contains("warning"), "{more}");
    let mut seen = 0;
    for entry in std::fs::read_dir(tree.join("molecule-tests")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("molecule.yml").exists() {
            seen += 1;
            for file in std::fs::read_dir(&folder).unwrap() {
                let file = file.unwrap().path();
                let is_playbook = file.extension().is_some_and(|end| end == "yml");
                if is_playbook && file.file_stem().is_some_and(|stem| stem != "molecule") {
                    let output = project
                        .command(&["run", "--syntax-check", "-i", "inventories/lab.ini"])
                        .arg(&file)
                        .current_dir(&tree)
                        .output()
                        .unwrap();
                    let more = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{}: {more}", file.display());
                }
            }
        }
    }
    assert!(seen > 10, "only {seen} scenarios found");
}

#[test]
fn the_picture_of_the_topology() {
    is_fresh(
        &[
            "inventory",
            "-i",
            "three-controllers.ini",
            "--graph",
            "--svg",
        ],
        "docs/images/topology.svg",
    );
}

#[test]
fn the_page_of_variables() {
    is_fresh(&["doc", "-t", "role", "--page"], "docs/variables.md");
}
