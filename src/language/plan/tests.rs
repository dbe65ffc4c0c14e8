use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use ocplay_protocol::{ArgInfo, ArgKind, ModuleInfo, Place};

use super::*;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::template::Templar;

/// Files in memory.
struct Files(BTreeMap<PathBuf, &'static str>);

impl Loader for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.0.get(&clean(path)).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    }
    fn is_file(&self, path: &Path) -> bool {
        self.0.contains_key(&clean(path))
    }
    fn is_dir(&self, path: &Path) -> bool {
        let path = clean(path);
        self.0
            .keys()
            .any(|file| file != &path && file.starts_with(&path))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let path = clean(path);
        let mut out: Vec<PathBuf> = self
            .0
            .keys()
            .filter_map(|file| Some(path.join(file.strip_prefix(&path).ok()?.components().next()?)))
            .collect();
        out.dedup();
        Ok(out)
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn shell(&self, _: &str, _: &Path) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_private(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn clean(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect()
}

fn module(
    name: &'static str,
    free_form: bool,
    args: &[(&'static str, ArgKind, bool)],
) -> ModuleInfo {
    ModuleInfo {
        name,
        collection: "ansible.builtin",
        doc: String::new(),
        place: Place::Host,
        args: args
            .iter()
            .map(|(name, kind, required)| ArgInfo {
                name,
                aliases: Vec::new(),
                kind: kind.clone(),
                required: *required,
                default: None,
                doc: String::new(),
            })
            .collect(),
        free_form,
        open: false,
    }
}

fn resolver(files: &[(&'static str, &'static str)]) -> Resolver {
    let loader: Arc<dyn Loader> = Arc::new(Files(
        files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), *text))
            .collect(),
    ));
    let catalogue = Catalogue::new([
        module(
            "command",
            true,
            &[
                ("_raw_params", ArgKind::Text, false),
                ("chdir", ArgKind::Path, false),
            ],
        ),
        module(
            "copy",
            false,
            &[
                ("src", ArgKind::Path, false),
                ("dest", ArgKind::Path, true),
                ("force", ArgKind::Boolean, false),
            ],
        ),
        module(
            "template",
            false,
            &[("src", ArgKind::Path, true), ("dest", ArgKind::Path, true)],
        ),
        module(
            "validate_argument_spec",
            false,
            &[("argument_spec", ArgKind::Mapping, true)],
        ),
    ]);
    let templar = Templar::new(Arc::clone(&loader));
    Resolver::new(
        Arc::new(catalogue),
        loader,
        templar,
        Vec::new(),
        Arc::default(),
    )
}

fn problems(files: &[(&'static str, &'static str)]) -> String {
    found(files, false)
        .iter()
        .map(|problem| format!("{problem} ({})\n", problem.help.join("; ")))
        .collect()
}

fn found(files: &[(&'static str, &'static str)], lenient: bool) -> Vec<Diagnostic> {
    let resolver = resolver(files);
    match resolver.load(&[PathBuf::from("site.yml")]) {
        Ok(plan) => check(
            &plan,
            &resolver,
            Strictness {
                handlers: true,
                listing: lenient,
                lenient,
            },
        ),
        Err(found) => found,
    }
}

fn titles(files: &[(&'static str, &'static str)]) -> Vec<String> {
    let resolver = resolver(files);
    let plan = resolver.load(&[PathBuf::from("site.yml")]).unwrap();
    let mut out = Vec::new();
    for play in &plan.plays {
        for node in play
            .pre_tasks
            .iter()
            .chain(&play.tasks)
            .chain(&play.post_tasks)
        {
            node.each_task(&mut |task| {
                let tags: Vec<&str> = task
                    .context
                    .tags()
                    .iter()
                    .filter_map(|tag| tag.value.as_str())
                    .collect();
                out.push(format!(
                    "{} [{}]",
                    task.title(task.written_name()),
                    tags.join(",")
                ));
            });
        }
    }
    out
}

#[test]
fn roles_imports_and_dependencies_are_put_in_place() {
    let files = [
        (
            "site.yml",
            "- hosts: all\n  tags: p\n  roles: [{role: web, tags: r}]\n  tasks:\n    - import_tasks: more.yml\n      tags: i\n    - block:\n        - command: a\n      tags: b\n",
        ),
        ("more.yml", "- command: more\n  name: more\n"),
        (
            "roles/web/tasks/main.yml",
            "- name: one\n  command: x\n- import_tasks: sub.yml\n",
        ),
        ("roles/web/tasks/sub.yml", "- command: sub\n"),
        ("roles/web/meta/main.yml", "dependencies: [base]\n"),
        (
            "roles/base/tasks/main.yml",
            "- name: ground\n  command: y\n",
        ),
    ];
    assert_eq!(
        titles(&files),
        [
            "base : ground [p,r]",
            "web : one [p,r]",
            "web : command [p,r]",
            "more [p,i]",
            "command [p,b]",
        ]
    );
}

#[test]
fn a_dependency_of_two_roles_is_listed_for_both() {
    let files = [
        ("site.yml", "- hosts: all\n  roles: [a, b]\n"),
        ("roles/a/tasks/main.yml", "- command: a\n  name: a\n"),
        ("roles/a/meta/main.yml", "dependencies: [base]\n"),
        ("roles/b/tasks/main.yml", "- command: b\n  name: b\n"),
        ("roles/b/meta/main.yml", "dependencies: [base]\n"),
        ("roles/base/tasks/main.yml", "- command: y\n  name: base\n"),
    ];
    // Hosts pass over the second one.
    assert_eq!(
        titles(&files),
        ["base : base []", "a : a []", "base : base []", "b : b []"]
    );
}

#[test]
fn all_mistakes_are_reported_together_with_hints() {
    let text = problems(&[
        (
            "site.yml",
            "- hosts: all
  handlers: [{name: restart it, command: x}]
  tasks:
    - comand: ls
    - copy: {src: nope.txt, dst: /x}
    - copy: {content: x, dest: /x, force: perhaps}
    - command: ls
      whne: true
    - command: echo {{ x | uper }}
    - command: ls
      when: a ==
      notify: restart
    - template: {src: t.j2, dest: /x}
    - include_tasks: gone.yml
    - include_role: {name: wbe}
",
        ),
        ("templates/t.j2", "a\n{% if %}\n"),
        ("roles/web/tasks/main.yml", "[]"),
        ("files/note.txt", ""),
    ]);
    // The mistyped keyword is found while parsing, before the rest is looked at.
    assert!(
        text.contains("'whne' is not a valid attribute for a Task (did you mean 'when'?)"),
        "{text}"
    );
    let text = problems(&[
        (
            "site.yml",
            "- hosts: all
  handlers: [{name: restart it, command: x}]
  tasks:
    - comand: ls
    - copy: {src: nope.txt, dst: /x}
    - copy: {src: note.txt, dest: /x, force: perhaps}
    - command: echo {{ x | uper }}
    - command: ls
      when: a ==
      notify: restart
    - template: {src: t.j2, dest: /x}
    - include_tasks: gone.yml
    - command: ls
      notify: restart  it
",
        ),
        ("templates/t.j2", "a\n{% if %}\n"),
        ("files/note.txt", ""),
    ]);
    for wanted in [
        "site.yml:4:7: there is no module 'comand' (did you mean 'command'?",
        "site.yml:5:29: 'dst' is not an argument of copy (did you mean 'dest'?",
        "there is no file 'nope.txt'",
        "needs the argument 'dest'",
        "site.yml:6:46: argument 'force' of copy: 'perhaps' is not a boolean",
        "uper",
        "site.yml:9:",
        "templates/t.j2:2:",
        "there is no file 'gone.yml'",
        "The requested handler 'restart  it' was not found",
    ] {
        assert!(text.contains(wanted), "{wanted}\nin\n{text}");
    }
}

#[test]
fn unknown_roles_suggest_the_nearest() {
    let text = problems(&[
        ("site.yml", "- hosts: all\n  roles: [wbe]\n"),
        ("roles/web/tasks/main.yml", "[]"),
    ]);
    assert!(
        text.contains("site.yml:2:11: there is no role 'wbe' (did you mean 'web'?"),
        "{text}"
    );
}

#[test]
fn imports_in_a_circle_end() {
    let text = problems(&[
        (
            "site.yml",
            "- hosts: all\n  tasks: [{import_tasks: a.yml}]\n",
        ),
        ("a.yml", "- import_tasks: a.yml\n"),
    ]);
    assert!(text.contains("nested too deep"), "{text}");
}

#[test]
fn task_ids_survive_edits_elsewhere() {
    let ids = |text: &'static str| {
        let plan = resolver(&[("site.yml", text)])
            .load(&[PathBuf::from("site.yml")])
            .unwrap();
        let mut ids = Vec::new();
        for node in &plan.plays[0].tasks {
            node.each_task(&mut |task| ids.push(task.id.clone()));
        }
        ids
    };
    let before = ids("- hosts: all\n  tasks:\n    - command: a\n    - command: b\n");
    let after =
        ids("- hosts: all\n  tasks:\n    - command: new\n    - command: a\n    - command: b\n");
    assert_eq!(before[..], after[1..]);
}

#[test]
fn what_is_not_there_yet_is_named() {
    let text = problems(&[(
        "site.yml",
        "- hosts: all
  strategy: fre
  tasks:
    - {command: x, become: true, become_method: runas}
",
    )]);
    for wanted in [
        "there is no strategy 'fre' (did you mean 'free'?",
        "site.yml:4:",
        "become_method 'runas'",
    ] {
        assert!(text.contains(wanted), "{wanted}\nin\n{text}");
    }
    let vault = problems(&[("site.yml", "$ANSIBLE_VAULT;1.1;AES256\n3036\n")]);
    assert!(
        vault.contains("Attempting to decrypt but no vault secrets found."),
        "{vault}"
    );
}

#[test]
fn libraries_and_collections_are_modules() {
    let files = Files(
        [
            "library/hello.sh",
            "library/README.md",
            "library/__init__.py",
            "c/ns/coll/plugins/modules/third.sh",
        ]
        .map(|path| (PathBuf::from(path), ""))
        .into(),
    );
    let catalogue = Catalogue::default();
    catalogue.add_library(Path::new("library"), &files);
    catalogue.add_collections(Path::new("c"), &files);
    assert!(catalogue.knows("hello") && catalogue.knows("ns.coll.third"));
    assert!(!catalogue.knows("README") && !catalogue.knows("third"));
    assert!(catalogue.external("ansible.legacy.hello").is_some());
}

#[test]
fn what_may_never_be_met_is_a_warning() {
    use crate::diagnostic::Severity;
    let severities = |text: &'static str, lenient| -> Vec<(&'static str, Severity)> {
        let found = found(&[("site.yml", text)], lenient);
        found
            .iter()
            .map(|problem| (problem.code, problem.severity))
            .collect()
    };
    // An argument that may be omitted in the end.
    let text = "- hosts: all
  tasks:
    - copy: {dest: /a, sha: \"{{ sum | default(omit) }}\"}
    - copy: {dest: /a, sha: \"{{ sum }}\"}
";
    assert_eq!(
        severities(text, false),
        [
            ("unknown-argument", Severity::Warning),
            ("unknown-argument", Severity::Error)
        ]
    );
    // Plug-ins of a collection that is not here.
    let text = "- hosts: all
  tasks:
    - command: \"{{ x | some.crypto.info }}\"
    - command: \"{{ x | some.crypto.info | uper }}\"
";
    assert_eq!(
        severities(text, false),
        [
            ("unknown-filter", Severity::Warning),
            ("unknown-filter", Severity::Error)
        ]
    );
    // A listing tells of mistakes and goes on.
    let text = "- hosts: all
  tasks:
    - command: echo
      when: (a
    - nonsense: {}
";
    assert_eq!(
        severities(text, true),
        [
            ("template-syntax", Severity::Warning),
            ("unknown-module", Severity::Error)
        ]
    );
}

#[test]
fn roles_are_called_as_written_or_by_their_collection() {
    let names = titles(&[
        (
            "site.yml",
            "- hosts: all
  collections: [none.such, ns.coll]
  roles: [apps/web, base, plain]
",
        ),
        ("roles/apps/web/tasks/main.yml", "- {name: a, command: x}\n"),
        ("roles/base/tasks/main.yml", "- {name: wrong, command: x}\n"),
        ("roles/plain/tasks/main.yml", "- {name: c, command: x}\n"),
        (
            "collections/ansible_collections/ns/coll/roles/base/tasks/main.yml",
            "- import_role: {name: other}\n- {name: b, command: x}\n",
        ),
        (
            "collections/ansible_collections/ns/coll/roles/other/tasks/main.yml",
            "- {name: o, command: x}\n",
        ),
    ]);
    assert_eq!(
        names,
        [
            "apps/web : a []",
            "ns.coll.other : o []",
            "ns.coll.base : b []",
            "plain : c []"
        ]
    );
}

#[test]
fn roles_keep_to_themselves() {
    let text = problems(&[
        (
            "site.yml",
            "- hosts: all
  tasks:
    - import_role: {name: a, tasks_from: ../../secret}
",
        ),
        ("roles/a/tasks/main.yml", "[]\n"),
        ("roles/secret.yml", "[]\n"),
    ]);
    assert!(
        text.contains("as it is not inside the expected role path"),
        "{text}"
    );
    let text = problems(&[(
        "site.yml",
        "- hosts: all
  tasks:
    - meta: end_role
  handlers:
    - {name: h, meta: end_role}
",
    )]);
    for wanted in ["from outside of a role", "from a handler"] {
        assert!(text.contains(wanted), "{text}");
    }
}
