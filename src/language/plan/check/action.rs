//! A task's module and its arguments.

use std::sync::Arc;

use ocplay_protocol::ModuleInfo;

use super::Checker;
use crate::catalogue::{External, STRUCTURAL, Style};
use crate::diagnostic::Diagnostic;
use crate::plan::PlannedTask;
use crate::source::Span;
use crate::value::is_template;

impl Checker<'_> {
    pub(super) fn action(&mut self, planned: &Arc<PlannedTask>) {
        let action = &planned.task.action;
        let name = action.short_name();
        // Which module it is, the run will tell.
        if is_template(&action.name) {
            return;
        }
        let Some(info) = self.resolver.catalogue().get(&action.name) else {
            if STRUCTURAL.contains(&name) {
                self.structural(planned);
            } else {
                let unknown = self
                    .resolver
                    .catalogue()
                    .unknown(&action.name, &action.name_span);
                self.push(unknown);
            }
            return;
        };
        let info = info.clone();
        if let Some(external) = self.resolver.catalogue().external(&action.name) {
            self.external(planned, external);
        }
        self.arguments(planned, &info);
        self.files(planned);
    }

    /// Programs of the author that cannot be run are refused.
    pub(super) fn external(&mut self, planned: &PlannedTask, external: &External) {
        let action = &planned.task.action;
        let refuse = |why: &str, help: &str| {
            Diagnostic::error(
                "unsupported-module",
                format!("the module '{}' cannot be run: {why}", action.name),
            )
            .at(&action.name_span)
            .help(format!("it is {}", external.path.display()))
            .help(help)
        };
        let problem = match self.resolver.loader().read(&external.path) {
            Err(error) => refuse(&error.to_string(), "make it readable"),
            Ok(content) => match Style::of(&content) {
                Style::Json | Style::Pairs => return,
                Style::NeedsAnsible => refuse(
                    "it is Python that imports ansible.module_utils, which hosts do not have here",
                    "use a module that 'ocplay doc -l' lists, or write a program with the word \
                     WANT_JSON in it: the file named by its first argument holds the arguments as \
                     JSON, and it prints one JSON object",
                ),
                Style::PowerShell => refuse(
                    "it is PowerShell for Windows hosts",
                    "only hosts with a POSIX shell can be managed",
                ),
            },
        };
        self.push(problem);
    }

    pub(super) fn arguments(&mut self, planned: &PlannedTask, info: &ModuleInfo) {
        let action = &planned.task.action;
        for arg in &action.args {
            let Some(known) = info.arg(&arg.name) else {
                if !info.open {
                    let names = ocplay_protocol::catalogue::names(&info.args);
                    let shown = names
                        .iter()
                        .map(String::as_str)
                        .filter(|name| !name.starts_with('_'));
                    let problem = Diagnostic::error(
                        "unknown-argument",
                        format!("'{}' is not an argument of {}", arg.name, info.name),
                    );
                    // It may be left out in the end, and then harms nobody.
                    let before = self.uncertain;
                    self.uncertain |= arg.value.as_str().is_some_and(may_be_omitted);
                    self.push(
                        problem
                            .at(&arg.name_span)
                            .suggest(&arg.name, shown)
                            .help(format!("'ocplay doc {}' shows its arguments", info.name)),
                    );
                    self.uncertain = before;
                }
                continue;
            };
            if arg.value.is_lazy() || arg.value.is_null() {
                continue;
            }
            if let Err(reason) = known.kind.accepts(&arg.value.to_json()) {
                self.push(
                    Diagnostic::error(
                        "wrong-type",
                        format!("argument '{}' of {}: {reason}", arg.name, info.name),
                    )
                    .at(&arg.value_span),
                );
            }
        }
        if let Some(raw) = &action.raw
            && !info.free_form
            && !raw.value.is_lazy()
        {
            self.push(
                Diagnostic::error(
                    "free-form",
                    format!("{} takes no free text, only arguments", info.name),
                )
                .at(&raw.span)
                .help("write one 'option: value' per line below the module"),
            );
        }
        let defaults = !planned.context.module_defaults().is_empty();
        if defaults || (action.raw.is_some() && !info.free_form) {
            return;
        }
        for arg in info.args.iter().filter(|arg| arg.required) {
            let given = std::iter::once(arg.name)
                .chain(arg.aliases.iter().copied())
                .any(|name| action.arg(name).is_some());
            let raw = arg.name == "_raw_params" && action.raw.is_some();
            if !given && !raw {
                self.push(
                    Diagnostic::error(
                        "missing-argument",
                        format!("{} needs the argument '{}'", info.name, arg.name),
                    )
                    .at(&action.name_span)
                    .help(arg.doc.lines().next().unwrap_or_default().to_owned()),
                );
            }
        }
    }

    /// A literal argument as text.
    pub(super) fn literal<'a>(
        planned: &'a PlannedTask,
        names: &[&str],
    ) -> Option<(&'a str, &'a Span)> {
        names.iter().find_map(|name| {
            let arg = planned.task.action.arg(name)?;
            let text = arg.value.as_str()?;
            (!is_template(text) && !text.is_empty()).then_some((text, &arg.value_span))
        })
    }
}

/// Whether a template's value may be the word that leaves an argument out.
pub(super) fn may_be_omitted(text: &str) -> bool {
    is_template(text)
        && text
            .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .any(|word| word == "omit")
}
