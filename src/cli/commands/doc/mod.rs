//! `ocplay doc`: modules as their own argument structs describe them, roles
//! as their specifications do.

mod role;

use std::process::ExitCode;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::source::Span;
use ocplay_protocol::catalogue::OptionList;
use ocplay_protocol::{ArgInfo, ArgKind, ModuleInfo, Place};

use super::Outcome;
use crate::args::{DocArgs, DocType};
use crate::compatibility;
use crate::config::Config;
use crate::helper;
use crate::render::print;

pub(crate) fn run(args: &DocArgs, config: &Config) -> Outcome {
    if args.kind == DocType::Role {
        return roles(args, config);
    }
    if args.compatibility {
        print(&compatibility::page());
        return Ok(ExitCode::SUCCESS);
    }
    let catalogue = helper::catalogue();
    let mut out = String::new();
    if args.list {
        for info in catalogue.iter() {
            let first = info.doc.lines().next().unwrap_or_default();
            push(&mut out, format_args!("{:<26} {first}\n", info.name));
        }
    }
    for name in &args.modules {
        let Some(info) = catalogue.get(name) else {
            let problem: Diagnostic = catalogue.unknown(name, &Span::nowhere());
            return Err(vec![problem]);
        };
        module(&mut out, info);
    }
    print(&out);
    Ok(ExitCode::SUCCESS)
}

fn roles(args: &DocArgs, config: &Config) -> Outcome {
    let mut folders = args.roles_path.clone();
    folders.push("roles".into());
    folders.extend(config.paths("DEFAULT_ROLES_PATH").unwrap_or_default());
    let all = role::all(&folders)?;
    let out = if args.page {
        role::page(&all)?
    } else if args.list {
        all.iter().map(role::Role::lines).collect()
    } else {
        let entry = args.entry_point.as_deref();
        let chosen = role::chosen(all, &args.modules)?;
        chosen.iter().map(|role| role.text(entry)).collect()
    };
    print(&out);
    Ok(ExitCode::SUCCESS)
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

fn module(out: &mut String, info: &ModuleInfo) {
    push(out, format_args!("{}.{}\n\n", info.collection, info.name));
    indented(out, &info.doc, 2);
    push(
        out,
        format_args!(
            "\n  Runs on the {}.\n\nArguments (= means required)\n",
            if info.place == Place::Host {
                "host"
            } else {
                "controller"
            }
        ),
    );
    arguments(out, &info.args, 0);
    if info.open {
        push(
            out,
            format_args!("\n  Any other name is accepted as well.\n"),
        );
    }
    push(out, format_args!("\n"));
}

fn arguments(out: &mut String, args: &[ArgInfo], depth: usize) {
    let margin = depth * 4;
    for arg in args {
        let sign = if arg.required { '=' } else { '-' };
        let name = if arg.name == "_raw_params" {
            "free text"
        } else {
            arg.name
        };
        let mut line = format!("{:margin$}{sign} {name} ({}", "", kind(&arg.kind));
        if let Some(default) = arg.default.as_ref().filter(|default| !default.is_null()) {
            line.push_str(&format!(", default {default}"));
        }
        line.push(')');
        if !arg.aliases.is_empty() {
            line.push_str(&format!(" also: {}", arg.aliases.join(", ")));
        }
        push(out, format_args!("{line}\n"));
        indented(out, &arg.doc, margin + 4);
        let inner = match &arg.kind {
            ArgKind::List(inner) => inner,
            other => other,
        };
        if let ArgKind::Options(OptionList(options)) = inner {
            arguments(out, &options(), depth + 1);
        }
    }
}

fn kind(kind: &ArgKind) -> String {
    match kind {
        ArgKind::Choice(choices) => choices.join(" | "),
        ArgKind::List(inner) => format!("list of {}", kind_word(inner)),
        other => other.word().to_owned(),
    }
}

fn kind_word(inner: &ArgKind) -> String {
    match inner {
        ArgKind::Choice(_) => kind(inner),
        other => other.word().to_owned(),
    }
}

fn indented(out: &mut String, text: &str, margin: usize) {
    for line in text.lines() {
        push(out, format_args!("{:margin$}{line}\n", ""));
    }
}
