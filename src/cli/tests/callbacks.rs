//! Other looks of a run, and what runs beside the screen.

use crate::common::Project;

const PLAYBOOK: &str = "
- name: First
  hosts: localhost
  gather_facts: false
  tasks:
    - {name: Say, debug: {msg: <hi>}}
    - {name: Skip, debug: {msg: no}, when: false}
    - {name: Bad, fail: {msg: 'was & is bad'}, ignore_errors: true}
    - {name: Worse, fail: {msg: ended}}
";

fn run(project: &Project, variables: &[(&str, &str)]) -> String {
    project.write("site.yml", PLAYBOOK);
    let output = project
        .command(&["run", "site.yml", "-i", "localhost,", "-c", "local"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_whole_run_is_one_object_of_json() {
    let out = run(
        &Project::new(),
        &[("ANSIBLE_STDOUT_CALLBACK", "ansible.posix.json")],
    );
    let run: serde_json::Value = serde_json::from_str(&out).unwrap();
    let tasks = run["plays"][0]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 4, "{out}");
    assert_eq!(tasks[0]["hosts"]["localhost"]["msg"], "<hi>");
    assert_eq!(tasks[1]["hosts"]["localhost"]["skipped"], true);
    assert_eq!(tasks[3]["hosts"]["localhost"]["failed"], true);
    assert_eq!(run["stats"]["localhost"]["failures"], 1);
    assert_eq!(run["stats"]["localhost"]["ignored"], 1);
}

#[test]
fn every_line_of_jsonl_is_an_event() {
    let out = run(&Project::new(), &[("ANSIBLE_STDOUT_CALLBACK", "jsonl")]);
    let events: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["_event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(events.first().unwrap(), "v2_playbook_on_play_start");
    assert_eq!(events.last().unwrap(), "v2_playbook_on_stats");
    assert!(
        events.iter().any(|event| event == "v2_runner_on_failed"),
        "{out}"
    );
}

#[test]
fn junit_and_times_come_beside_the_screen() {
    let project = Project::new();
    let folder = project.path().join("reports");
    let out = run(
        &project,
        &[
            ("ANSIBLE_CALLBACKS_ENABLED", "junit,timer,profile_tasks"),
            ("JUNIT_OUTPUT_DIR", folder.to_str().unwrap()),
        ],
    );
    assert!(out.contains("PLAY RECAP"), "{out}");
    assert!(out.contains("Playbook run took 0 days"), "{out}");
    assert!(out.contains("Worse ---"), "{out}");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let xml = std::fs::read_to_string(file.path()).unwrap();
    assert!(xml.contains("tests=\"4\""), "{xml}");
    assert!(xml.contains("failures=\"1\""), "{xml}");
    assert!(xml.contains("<skipped>"), "{xml}");
    assert!(xml.contains("<failure message=\"ended\""), "{xml}");
    assert!(xml.contains("was &amp; is bad"), "{xml}");
}
