//! `ocplay vault`, and runs that read what it wrote.

use crate::common::Project;

/// Recorded from ansible-vault, password `pw1`.
const RECORDED: &str = include_str!("../../language/vault/samples/default.vault");

fn project() -> Project {
    let project = Project::new();
    project.write("pw1", "pw1\n");
    project.write("pw2", "pw2");
    project.write("plain.yml", "a: 1\nb: two\n");
    project.write("recorded.yml", RECORDED);
    project
}

fn read(project: &Project, name: &str) -> String {
    std::fs::read_to_string(project.path().join(name)).unwrap()
}

#[test]
fn files_of_ansible_vault_are_shown() {
    let shown = project()
        .ocplay(&["vault", "view", "--vault-id", "pw1", "recorded.yml"])
        .code(0);
    assert_eq!(shown.out, "a: 1\nsecret: \"grüße\"\n");
}

#[test]
fn a_file_goes_in_and_out_and_to_another_secret() {
    use std::os::unix::fs::PermissionsExt;
    let project = project();
    let run = |args: &[&str]| project.ocplay(args);
    run(&["vault", "encrypt", "--vault-id", "prod@pw2", "plain.yml"]).code(0);
    assert!(read(&project, "plain.yml").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    let mode = std::fs::metadata(project.path().join("plain.yml")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    run(&["vault", "encrypt", "--vault-id", "pw2", "plain.yml"])
        .code(1)
        .says(&["already encrypted"]);
    run(&[
        "vault",
        "rekey",
        "--vault-id",
        "pw2",
        "--new-vault-password-file",
        "pw1",
        "plain.yml",
    ])
    .code(0)
    .says(&["Rekey successful"]);
    run(&["vault", "view", "--vault-id", "pw2", "plain.yml"])
        .code(1)
        .says(&["no vault secrets were found that could decrypt"]);
    run(&["vault", "decrypt", "--vault-id", "pw1", "plain.yml"]).code(0);
    assert_eq!(read(&project, "plain.yml"), "a: 1\nb: two\n");
}

#[test]
fn the_editor_sees_a_private_file_that_is_gone_afterwards() {
    let project = project();
    let editor = project.write(
        "editor",
        "#!/bin/sh\nstat -c %a \"$1\" > seen\necho \"$1\" >> seen\necho 'c: 3' >> \"$1\"\n",
    );
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = project
        .command(&["vault", "edit", "--vault-id", "pw1", "recorded.yml"])
        .env("EDITOR", &editor)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen = read(&project, "seen");
    let (mode, path) = seen.trim().split_once('\n').unwrap();
    assert_eq!(mode, "600");
    assert!(!std::path::Path::new(path).exists());
    let shown = project
        .ocplay(&["vault", "view", "--vault-id", "pw1", "recorded.yml"])
        .code(0);
    assert!(shown.out.ends_with("c: 3\n"), "{}", shown.out);
}

#[test]
fn secrets_come_from_files_programs_and_clients() {
    let project = project();
    for (name, text) in [
        ("script", "#!/bin/sh\necho pw1\n"),
        (
            "my-client.sh",
            "#!/bin/sh\n[ \"$2\" = dev ] && echo pw1 || exit 2\n",
        ),
    ] {
        let path = project.write(name, text);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    for secret in ["pw1", "script", "x@script", "dev@my-client.sh"] {
        project
            .ocplay(&["vault", "view", "--vault-id", secret, "recorded.yml"])
            .code(0);
    }
    project
        .ocplay(&[
            "vault",
            "view",
            "--vault-id",
            "qa@my-client.sh",
            "recorded.yml",
        ])
        .code(1)
        .says(&["did not find a secret for vault-id=qa"]);
    project
        .ocplay(&["vault", "view", "--vault-id", "missing", "recorded.yml"])
        .code(1)
        .says(&["was not found"]);
    let output = project
        .command(&["vault", "view", "recorded.yml"])
        .env("ANSIBLE_VAULT_PASSWORD_FILE", "pw1")
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn values_are_opened_where_they_are_used_and_nowhere_else() {
    let project = project();
    let value = project
        .ocplay(&[
            "vault",
            "encrypt_string",
            "--vault-id",
            "pw1",
            "--name",
            "secret",
            "tiny {{ no }}",
        ])
        .code(0);
    assert!(
        value
            .out
            .starts_with("secret: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n")
    );
    project.write("group_vars/all.yml", &value.out);
    project.write("hosts.ini", "localhost ansible_connection=local\n");
    let unused = "- hosts: all\n  gather_facts: false\n  tasks:\n  - debug: msg=fine\n";
    project.play(unused, &[]).code(0);
    let used = "- hosts: all\n  gather_facts: false\n  tasks:\n  - assert: {that: secret is search('^tiny')}\n  - copy: {content: '{{ secret }}', dest: '{{ playbook_dir }}/out'}\n";
    let ran = project
        .play(used, &["--vault-id", "pw1", "--diff"])
        .code(0)
        .says(&["+********"]);
    assert!(!ran.all().contains("tiny"), "{}", ran.all());
    assert_eq!(read(&project, "out"), "tiny {{ no }}");
    project
        .play(used, &[])
        .code(2)
        .says(&["Attempting to decrypt but no vault secrets found"]);
}

#[test]
fn encrypted_files_are_read_wherever_files_are() {
    let project = project();
    project.write("group_vars/all.yml", RECORDED);
    project.write("hosts.ini", "localhost ansible_connection=local\n");
    let book = "- hosts: all\n  gather_facts: false\n  tasks:\n  - debug: msg={{ a }}\n  - copy: {src: recorded.yml, dest: '{{ playbook_dir }}/out'}\n  - copy: {src: recorded.yml, dest: '{{ playbook_dir }}/raw', decrypt: false}\n";
    project
        .play(book, &["--vault-password-file", "pw1"])
        .code(0);
    assert_eq!(read(&project, "out"), "a: 1\nsecret: \"grüße\"\n");
    assert_eq!(read(&project, "raw"), RECORDED);
}
