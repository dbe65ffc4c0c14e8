//! `vars_files`: names may depend on a host's variables and facts, so each host
//! has files of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory;
use ocplay_language::playbook::ast::Word;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

use super::{Dispatcher, PlayRun};
use crate::event::Event;

/// The variables that `vars_files` gave to each host.
#[derive(Debug, Clone, Default)]
pub(crate) struct VarsFiles(Arc<HashMap<Arc<str>, Vec<Arc<Map>>>>);

impl VarsFiles {
    /// A scope with the files of a host.
    pub(crate) fn scope(&self, host: &str, scope: Scope) -> Scope {
        match self.0.get(host) {
            None => scope,
            Some(files) => files.iter().fold(scope, |scope, vars| {
                scope.with(Level::PlayVarsFiles, Arc::clone(vars))
            }),
        }
    }
}

impl Dispatcher {
    /// Reads the files of hosts; called again, with `lazy` ones only, when
    /// facts have made names known.
    pub(crate) fn read_vars_files(&self, run: &mut PlayRun, names: &[Arc<str>], all: bool) {
        let words = &run.play.play.vars_files;
        if words.is_empty() || (!all && !words.iter().any(|word| word.value.is_lazy())) {
            return;
        }
        // Names without templates are the same for all: one copy serves them.
        let mut fixed: HashMap<usize, Arc<Map>> = HashMap::new();
        let mut files = HashMap::clone(&run.files.0);
        for name in names {
            let Some(host) = self.hosts.get(name) else {
                continue;
            };
            let mut scope = host
                .scope()
                .with_search(run.play.context.search("vars").into());
            for (level, vars) in run.vars.iter() {
                scope = scope.with(*level, Arc::clone(vars));
            }
            let mut out = Vec::new();
            for (number, word) in run.play.play.vars_files.iter().enumerate() {
                if let Some(known) = fixed.get(&number) {
                    out.push(Arc::clone(known));
                    continue;
                }
                match self.vars_file(run, word, &scope) {
                    Ok(None) => {}
                    Ok(Some(vars)) => {
                        if !word.value.is_lazy() {
                            fixed.insert(number, Arc::clone(&vars));
                        }
                        scope = scope.with(Level::PlayVarsFiles, Arc::clone(&vars));
                        out.push(vars);
                    }
                    Err(problem) => {
                        self.shared.events.event(Event::Mistakes(vec![*problem]));
                        run.broken = true;
                        return;
                    }
                }
            }
            files.insert(Arc::clone(name), out);
        }
        run.files = VarsFiles(Arc::new(files));
    }

    /// Of a list of alternatives the first that exists; none while a name
    /// depends on facts that are not there yet.
    fn vars_file(
        &self,
        run: &PlayRun,
        word: &Word,
        scope: &Scope,
    ) -> Result<Option<Arc<Map>>, Box<Diagnostic>> {
        let shared = &self.shared;
        let alternatives = match &word.value {
            Value::List(items) => items.to_vec(),
            one => vec![one.clone()],
        };
        let mut names: Vec<String> = Vec::new();
        let mut unknown = false;
        for alternative in &alternatives {
            match shared.templar.resolve(alternative, scope) {
                Ok(Value::List(items)) => {
                    names.extend(items.iter().map(ocplay_language::python::text));
                }
                Ok(value) => names.push(ocplay_language::python::text(&value)),
                Err(_) => unknown = true,
            }
        }
        let folder = &run.play.folder;
        let found = names
            .iter()
            .flat_map(|name| [folder.join("vars").join(name), folder.join(name)])
            .find(|path: &PathBuf| shared.loader.is_file(path));
        match found {
            Some(path) => inventory::read_play_vars(&path, &*shared.loader).map(Some),
            None if unknown => Ok(None),
            None => Err(Box::new(
                Diagnostic::error(
                    "missing-file",
                    format!("vars file {} was not found", names.join(" or ")),
                )
                .at(&word.span)
                .help(format!("looked in {}", folder.display())),
            )),
        }
    }
}
