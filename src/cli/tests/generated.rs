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
