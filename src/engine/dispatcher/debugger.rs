//! The task debugger: looks at a failed task, changes it, and runs it again.
//!
//! Words and prompt are those of Ansible's: `p`, `task_vars`, `task.args`,
//! `u`, `r`, `c`, `q`.

use std::sync::Arc;

use ocplay_language::playbook::ast::{Arg, Keyword};
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_language::{plan::PlannedTask, python};

use super::{Dispatcher, PlayRun};
use crate::event::{Answer, Event, Question, Status, ask};
use crate::outcome::HostOutcome;
use crate::task::{self, Step};

/// What was asked for.
enum Wish {
    Redo,
    Continue,
    Quit,
}

const HELP: &str = "\
p EXPRESSION           show task, task.args, task_vars, host or result
task.args[KEY] = VALUE change an argument
task_vars[KEY] = VALUE change a variable; u makes the task anew with it
u                      make the task anew from its words and variables
r                      run the task again
c                      go on
q                      end the run";

impl Dispatcher {
    /// Gives outcomes to the debugger where the task or the configuration asks
    /// for it; those of tasks that were run again replace the first ones.
    pub(super) async fn debug(
        &self,
        run: &mut PlayRun,
        step: &Arc<Step>,
        outcomes: &mut [HostOutcome],
    ) {
        for outcome in outcomes {
            let mut current = Arc::clone(step);
            while self.wants_debugger(run, &current.planned, outcome) {
                match self.converse(&mut current, outcome).await {
                    Wish::Continue => break,
                    Wish::Quit => {
                        run.ended = true;
                        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
                        return;
                    }
                    Wish::Redo => {
                        let host = Arc::clone(&outcome.host);
                        let fork = self.forks.enter().await;
                        *outcome = task::run_on_host(&self.shared, &current, host, &fork).await;
                    }
                }
            }
        }
    }

    fn wants_debugger(&self, run: &PlayRun, planned: &PlannedTask, outcome: &HostOutcome) -> bool {
        let word = planned.context.get(Keyword::Debugger);
        let rules = &self.shared.options.rules;
        let strategy = run.play.play.options.strategy.as_ref();
        let strategy = strategy
            .and_then(|word| word.value.as_str())
            .unwrap_or(&rules.strategy);
        let debugs = strategy == "debug" || strategy == "ansible.builtin.debug";
        let failed = outcome.status == Status::Failed;
        let unreachable = outcome.status == Status::Unreachable;
        match word.and_then(|word| word.value.as_str()) {
            Some("always") => true,
            Some("never") => false,
            Some("on_failed") => failed,
            Some("on_unreachable") => unreachable,
            Some("on_skipped") => outcome.status == Status::Skipped,
            _ => (rules.task_debugger || debugs) && (failed || unreachable),
        }
    }

    async fn converse(&self, step: &mut Arc<Step>, outcome: &HostOutcome) -> Wish {
        let original = Arc::clone(step);
        let title = &step.info.title;
        let prompt = format!("[{}] TASK: {title} (debug)> ", outcome.host);
        let mut changed = Map::new();
        loop {
            let question = Question {
                text: prompt.clone(),
                ..Question::default()
            };
            let Answer::Text(line) = ask(&self.shared.events, question).await else {
                // Nobody is there to be asked.
                return Wish::Continue;
            };
            let line = line.reveal().trim().to_owned();
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            match word {
                "r" | "redo" => return Wish::Redo,
                "c" | "continue" => return Wish::Continue,
                "q" | "quit" | "EOF" => return Wish::Quit,
                "h" | "help" | "?" => self.say(HELP),
                "u" | "update_task" => {
                    let vars = Arc::new(changed.clone());
                    *step = Arc::new(Step {
                        debug_vars: vars,
                        ..Step::clone(&original)
                    });
                }
                "p" | "print" | "pprint" => {
                    let scope = self.scope_of(step, outcome, &changed);
                    self.show(rest.trim(), &scope, step);
                }
                "" => {}
                _ if line.contains('=') => {
                    let scope = self.scope_of(step, outcome, &changed);
                    if let Err(reason) = self.assign(&line, &scope, step, &mut changed) {
                        self.say(&format!("***{reason}"));
                    }
                }
                _ => {
                    let scope = self.scope_of(step, outcome, &changed);
                    self.show(&line, &scope, step);
                }
            }
        }
    }

    fn say(&self, text: &str) {
        self.shared.events.event(Event::Note {
            level: 0,
            text: text.to_owned(),
        });
    }

    /// `task`, `task_vars`, `host` and `result`, for expressions.
    fn scope_of(&self, step: &Step, outcome: &HostOutcome, changed: &Map) -> Scope {
        let scope = step.scope(&outcome.host);
        let mut args = Map::new();
        for arg in &step.planned.task.action.args {
            let value = self.shared.templar.resolve(&arg.value, &scope);
            args.insert(&*arg.name, value.unwrap_or_else(|_| arg.value.clone()));
        }
        let mut task = Map::new();
        task.insert("name", step.info.title.as_str());
        task.insert("action", step.planned.task.action.name.as_str());
        task.insert("args", args);
        let mut task_vars = scope.flatten();
        task_vars.extend(changed);
        let mut result = Map::new();
        result.insert("_result", outcome.result.clone());
        let mut own = Map::new();
        own.insert("task", task);
        own.insert("task_vars", task_vars);
        own.insert("host", &*outcome.host);
        own.insert("result", result);
        scope.with(Level::Magic, Arc::new(own))
    }

    fn show(&self, expression: &str, scope: &Scope, step: &Step) {
        let span = &step.planned.task.span;
        let text = match self.shared.templar.expression(expression, span, scope) {
            Ok(value) => match &value {
                Value::Map(_) | Value::List(_) => {
                    serde_json::to_string_pretty(&value.to_json()).unwrap_or_default()
                }
                other => python::repr(other),
            },
            Err(error) => format!("***{}", error.diagnostic().message),
        };
        self.say(&text);
    }

    /// `task.args['x'] = …` and `task_vars['x'] = …`.
    fn assign(
        &self,
        line: &str,
        scope: &Scope,
        step: &mut Arc<Step>,
        changed: &mut Map,
    ) -> Result<(), String> {
        let (place, value) = line.split_once('=').ok_or("there is no '='")?;
        let span = &step.planned.task.span.clone();
        let value = self
            .shared
            .templar
            .expression(value.trim(), span, scope)
            .map_err(|error| error.diagnostic().message)?;
        let place = place.trim();
        let key = |rest: &str| {
            let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
            Some(inner.trim_matches(['"', '\'']).to_owned())
        };
        if let Some(name) = place.strip_prefix("task_vars").and_then(key) {
            changed.insert(name, value);
            return Ok(());
        }
        let Some(name) = place.strip_prefix("task.args").and_then(key) else {
            return Err(format!(
                "'{place}' cannot be set; task.args['KEY'] and task_vars['KEY'] can"
            ));
        };
        let mut task = ocplay_language::playbook::ast::Task::clone(&step.planned.task);
        task.action.args.retain(|arg| *arg.name != *name);
        task.action.args.push(Arg {
            name: name.into(),
            name_span: span.clone(),
            value,
            value_span: span.clone(),
        });
        let planned = PlannedTask {
            id: step.planned.id.clone(),
            task: Arc::new(task),
            context: Arc::clone(&step.planned.context),
            implicit: step.planned.implicit,
        };
        *step = Arc::new(Step {
            planned: Arc::new(planned),
            ..Step::clone(step)
        });
        Ok(())
    }
}
