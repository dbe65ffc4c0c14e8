//! The keywords of a task as they apply to one host and item.

use std::time::Duration;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::plan::Context;
use ocplay_language::playbook::ast::{Keyword, Word};
use ocplay_language::template::Templar;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::scope::Scope;
use ocplay_protocol::coerce;

use crate::connection::{Become, ConnectError};
use crate::options::RunOptions;
use crate::outcome::ActionOutcome;
use crate::secret::Secret;

/// Keywords, evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) check: bool,
    pub(crate) diff: bool,
    pub(crate) no_log: bool,
    pub(crate) ignore_errors: bool,
    pub(crate) ignore_unreachable: bool,
    pub(crate) delegate_to: Option<String>,
    pub(crate) delegate_facts: bool,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) remote_user: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) port: Option<u16>,
}

/// Seconds; more would be years.
const LONGEST_TIMEOUT: f64 = 100_000_000.0;

/// Evaluates keywords in a scope.
pub(crate) struct Evaluator<'a> {
    pub(crate) templar: &'a Templar,
    pub(crate) scope: &'a Scope,
}

type Evaluated<T> = Result<T, Box<ActionOutcome>>;

impl Evaluator<'_> {
    /// The value of a keyword and where it stands: the innermost one that is
    /// not left out by `omit`.
    fn keyword<'c>(
        &self,
        context: &'c Context,
        keyword: Keyword,
    ) -> Evaluated<Option<(Value, &'c Word)>> {
        for word in context.all(keyword) {
            let value = self.templar.resolve(&word.value, self.scope);
            match value {
                Ok(Value::Omit) => {}
                Ok(value) => return Ok(Some((value, word))),
                Err(error) => {
                    let place = format!(
                        "Error processing keyword '{}'",
                        ocplay_language::playbook::keyword_name(keyword)
                    );
                    return Err(Box::new(ActionOutcome::template_in(&place, &error)));
                }
            }
        }
        Ok(None)
    }

    pub(crate) fn value(&self, word: &Word) -> Evaluated<Value> {
        self.templar
            .resolve(&word.value, self.scope)
            .map_err(|error| Box::new(ActionOutcome::template(&error)))
    }

    pub(crate) fn boolean(&self, word: &Word) -> Evaluated<bool> {
        let value = self.value(word)?;
        coerce::boolean(&value.to_json()).map_err(|reason| wrong(word, &reason))
    }

    pub(crate) fn number(&self, word: &Word) -> Evaluated<f64> {
        let value = self.value(word)?;
        coerce::float(&value.to_json()).map_err(|reason| wrong(word, &reason))
    }

    pub(crate) fn text(&self, word: &Word) -> Evaluated<String> {
        let value = self.value(word)?;
        coerce::text(&value.to_json()).map_err(|reason| wrong(word, &reason))
    }

    fn flag(&self, context: &Context, keyword: Keyword) -> Evaluated<Option<bool>> {
        match self.keyword(context, keyword)? {
            None | Some((Value::Null, _)) => Ok(None),
            Some((value, word)) => coerce::boolean(&value.to_json()).map(Some).map_err(|_| {
                let value = ocplay_language::python::repr(&value);
                wrong(
                    word,
                    &format!(
                        "The value {value} could not be converted to 'bool': yes or no is needed"
                    ),
                )
            }),
        }
    }

    fn words(&self, context: &Context, keyword: Keyword) -> Evaluated<Option<String>> {
        match self.keyword(context, keyword)? {
            None | Some((Value::Null, _)) => Ok(None),
            Some((value, word)) => coerce::text(&value.to_json())
                .map(Some)
                .map_err(|reason| wrong(word, &reason)),
        }
    }

    /// All keywords of a task. While facts are gathered, an environment that
    /// is made of facts cannot be known yet.
    pub(crate) fn settings(
        &self,
        context: &Context,
        options: &RunOptions,
        gathering: bool,
    ) -> Evaluated<Settings> {
        let flag = |keyword| self.flag(context, keyword);
        // How many work at once is decided before; a mistake shows here.
        self.throttle(context)?;
        Ok(Settings {
            check: flag(Keyword::CheckMode)?.unwrap_or(options.check),
            diff: flag(Keyword::Diff)?.unwrap_or(options.diff),
            no_log: flag(Keyword::NoLog)?.unwrap_or(options.rules.no_log),
            ignore_errors: flag(Keyword::IgnoreErrors)?.unwrap_or(false),
            ignore_unreachable: flag(Keyword::IgnoreUnreachable)?.unwrap_or(false),
            delegate_to: match self.words(context, Keyword::DelegateTo)? {
                Some(name) if name.is_empty() => {
                    return Err(Box::new(ActionOutcome::failure(
                        "Empty hostname produced from delegate_to: \"\"",
                    )));
                }
                name => name,
            },
            delegate_facts: flag(Keyword::DelegateFacts)?.unwrap_or(false),
            environment: self.environment(context, gathering)?,
            timeout: self.timeout(context, options)?,
            remote_user: self.words(context, Keyword::RemoteUser)?,
            connection: self.words(context, Keyword::Connection)?,
            port: match self.words(context, Keyword::Port)? {
                Some(text) => text.parse().ok(),
                None => None,
            },
        })
    }

    /// What is left to go by where some keyword is wrong.
    pub(crate) fn rescue(&self, context: &Context, options: &RunOptions) -> Settings {
        let flag = |keyword, default: bool| {
            self.flag(context, keyword)
                .map_or(default, |flag| flag.unwrap_or(default))
        };
        let hidden = self.flag(context, Keyword::NoLog);
        Settings {
            check: options.check,
            diff: options.diff,
            no_log: hidden.map_or(true, |flag| flag.unwrap_or(options.rules.no_log)),
            ignore_errors: flag(Keyword::IgnoreErrors, false),
            ignore_unreachable: flag(Keyword::IgnoreUnreachable, false),
            delegate_to: None,
            delegate_facts: false,
            environment: Vec::new(),
            timeout: None,
            remote_user: None,
            connection: None,
            port: None,
        }
    }

    fn timeout(&self, context: &Context, options: &RunOptions) -> Evaluated<Option<Duration>> {
        let seconds = match self.keyword(context, Keyword::Timeout)? {
            Some((value, word)) => {
                coerce::float(&value.to_json()).map_err(|reason| wrong(word, &reason))?
            }
            None => options.rules.task_timeout as f64,
        };
        if !(0.0..=LONGEST_TIMEOUT).contains(&seconds) {
            return Err(Box::new(ActionOutcome::failure(format!(
                "Timeout {seconds} is invalid, it must be between 0 and {LONGEST_TIMEOUT}."
            ))));
        }
        Ok((seconds > 0.0).then(|| Duration::from_secs_f64(seconds)))
    }

    /// `throttle`: how many hosts may work on a task at once.
    pub(crate) fn throttle(&self, context: &Context) -> Evaluated<Option<usize>> {
        let fail = |reason: String| {
            Box::new(ActionOutcome::failure(format!(
                "Failed to convert the throttle value to an integer: {reason}"
            )))
        };
        let Some(word) = context.get(Keyword::Throttle) else {
            return Ok(None);
        };
        let value = self.templar.resolve(&word.value, self.scope);
        let value = value.map_err(|error| fail(error.message))?;
        let limit = coerce::float(&value.to_json()).map_err(|_| {
            let shown = ocplay_language::python::repr(&value);
            fail(format!("invalid literal for int() with base 10: {shown}"))
        })?;
        Ok((limit >= 1.0).then_some(limit as usize))
    }

    fn environment(&self, context: &Context, lenient: bool) -> Evaluated<Vec<(String, String)>> {
        let mut all = Map::new();
        for word in context.environment() {
            if let (true, Value::Map(map)) = (lenient, &word.value) {
                for (name, value) in map.entries() {
                    if let Ok(value) = self.templar.resolve(value, self.scope) {
                        all.insert(&**name, value);
                    }
                }
                continue;
            }
            let value = self.templar.resolve(&word.value, self.scope);
            let value = match value {
                Ok(value) => value,
                Err(_) if lenient => continue,
                Err(error) => {
                    let place = "Error processing keyword 'environment'";
                    return Err(Box::new(ActionOutcome::template_in(place, &error)));
                }
            };
            match value {
                Value::Map(map) => all.extend(&map),
                Value::Null | Value::Omit => {}
                other => {
                    return Err(wrong(
                        word,
                        &format!("a {} is not a mapping", other.type_name()),
                    ));
                }
            }
        }
        Ok(all
            .entries()
            .map(|(name, value)| {
                let text = coerce::text(&value.to_json()).unwrap_or_default();
                (name.to_string(), text)
            })
            .collect())
    }

    /// Whom to become, from variables, keywords and the command line, in this
    /// order.
    pub(crate) fn becoming(
        &self,
        context: &Context,
        options: &RunOptions,
        vars: &dyn crate::connection::Variables,
    ) -> Evaluated<Option<Become>> {
        let variable = |names: &[&str]| {
            vars.text(names)
                .map_err(|error: ConnectError| Box::new(ActionOutcome::failure(error.to_string())))
        };
        let enabled = match variable(&["ansible_become"])? {
            Some(text) => coerce::boolean(&text.into()).map_err(|reason| {
                Box::new(ActionOutcome::failure(format!("ansible_become: {reason}")))
            })?,
            None => self
                .flag(context, Keyword::Become)?
                .unwrap_or(options.becoming.enabled),
        };
        if !enabled {
            return Ok(None);
        }
        let pick = |from_vars: Option<String>,
                    keyword: Keyword,
                    option: Option<&String>,
                    default: &str| {
            Ok::<String, Box<ActionOutcome>>(match from_vars {
                Some(text) => text,
                None => self
                    .words(context, keyword)?
                    .or_else(|| option.cloned())
                    .unwrap_or_else(|| default.to_owned()),
            })
        };
        let method = pick(
            variable(&["ansible_become_method"])?,
            Keyword::BecomeMethod,
            options.becoming.method.as_ref(),
            "sudo",
        )?;
        let method = method.rsplit('.').next().unwrap_or(&method).to_owned();
        let own = |word: &str| format!("ansible_{method}_{word}");
        let flags = pick(
            variable(&[&own("flags"), "ansible_become_flags"])?,
            Keyword::BecomeFlags,
            options.becoming.flags.as_ref(),
            if method == "sudo" { "-H -S" } else { "" },
        )?;
        let flags: Vec<&str> = flags
            .split_whitespace()
            .filter(|flag| *flag != "-n")
            .collect();
        Ok(Some(Become {
            user: pick(
                variable(&[&own("user"), "ansible_become_user"])?,
                Keyword::BecomeUser,
                options.becoming.user.as_ref(),
                "root",
            )?,
            password: variable(&[
                "ansible_become_password",
                "ansible_become_pass",
                &own("pass"),
                &own("password"),
            ])?
            .map(Secret::new)
            .or_else(|| options.ssh.become_password.clone()),
            flags: flags.join(" "),
            exe: pick(
                variable(&[&own("exe"), "ansible_become_exe"])?,
                Keyword::BecomeExe,
                options.becoming.exe.as_ref(),
                &method,
            )?,
            method,
        }))
    }
}

fn wrong(word: &Word, reason: &str) -> Box<ActionOutcome> {
    Box::new(ActionOutcome::mistake(
        Diagnostic::error("wrong-type", reason.to_owned()).at(&word.span),
    ))
}
