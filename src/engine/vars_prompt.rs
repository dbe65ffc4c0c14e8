//! `vars_prompt`: questions at the beginning of a play.

use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::playbook::ast::VarsPrompt;
use ocplay_language::python;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_protocol::coerce;

use crate::event::{Answer, Event, Question, ask};
use crate::task::Shared;

/// Asks for every variable that extra vars do not give already.
///
/// # Errors
/// A prompt that cannot be made, or an answer that cannot be encrypted.
pub(crate) async fn ask_all(
    shared: &Arc<Shared>,
    prompts: &[VarsPrompt],
    scope: &Scope,
) -> Result<Arc<Map>, Box<Diagnostic>> {
    let mut vars = Map::new();
    for prompt in prompts {
        if shared.options.extra_vars.contains_key(&prompt.name) {
            continue;
        }
        let answer = ask_one(shared, prompt, scope).await?;
        vars.insert(prompt.name.as_str(), answer);
    }
    Ok(Arc::new(vars))
}

async fn ask_one(
    shared: &Arc<Shared>,
    prompt: &VarsPrompt,
    scope: &Scope,
) -> Result<Value, Box<Diagnostic>> {
    let mut options = Map::new();
    for (name, value) in prompt.options.entries() {
        let value = shared.templar.resolve(value, scope);
        options.insert(
            &**name,
            value.map_err(|error| Box::new(error.diagnostic()))?,
        );
    }
    let text = |name: &str| {
        let value = options.get(name).filter(|value| !value.is_null());
        value.map(python::text)
    };
    let flag = |name: &str, default: bool| {
        let value = options.get(name);
        value.map_or(default, |value| {
            coerce::boolean(&value.to_json()) == Ok(true)
        })
    };
    let default = text("default");
    let mut shown = text("prompt").unwrap_or_else(|| prompt.name.clone());
    if let Some(default) = &default {
        shown.push_str(&format!(" [{default}]"));
    }
    let secret = flag("private", true);
    let line = |text: String| Question {
        text,
        secret,
        ..Question::default()
    };
    let mut answer = String::new();
    loop {
        answer = match ask(&shared.events, line(format!("{shown}: "))).await {
            Answer::Text(text) => text.reveal().to_owned(),
            Answer::Aborted => break,
            Answer::NobodyThere => {
                shared.events.event(Event::Warning(
                    Diagnostic::warning(
                        "vars_prompt",
                        format!(
                            "Not prompting for '{}' as we are not in interactive mode",
                            prompt.name
                        ),
                    )
                    .at(&prompt.span),
                ));
                break;
            }
        };
        if !flag("confirm", false) {
            break;
        }
        let again = ask(&shared.events, line(format!("confirm {shown}: "))).await;
        if matches!(&again, Answer::Text(text) if text.reveal() == answer) {
            break;
        }
        shared.events.event(Event::Note {
            level: 0,
            text: "***** VALUES ENTERED DO NOT MATCH ****".to_owned(),
        });
    }
    if answer.is_empty() {
        answer = default.unwrap_or_default();
    }
    if let Some(algorithm) = text("encrypt") {
        return encrypt(shared, prompt, &answer, &algorithm, &options);
    }
    Ok(if flag("unsafe", false) {
        Value::from(answer)
    } else {
        Value::trusted(&answer, &prompt.span, None)
    })
}

/// The answer as `password_hash` makes it.
fn encrypt(
    shared: &Shared,
    prompt: &VarsPrompt,
    answer: &str,
    algorithm: &str,
    options: &Map,
) -> Result<Value, Box<Diagnostic>> {
    let mut call = "answer | password_hash(algorithm".to_owned();
    let mut vars = Map::new();
    vars.insert("answer", answer);
    vars.insert("algorithm", algorithm.trim_end_matches("_crypt"));
    for name in ["salt", "salt_size"] {
        if let Some(value) = options.get(name).filter(|value| !value.is_null()) {
            call.push_str(&format!(", {name}={name}"));
            vars.insert(name, value.clone());
        }
    }
    call.push(')');
    let scope = Scope::new().with(Level::Magic, Arc::new(vars));
    shared
        .templar
        .expression(&call, &prompt.span, &scope)
        .map_err(|error| {
            Box::new(Diagnostic::error("encrypt", error.diagnostic().message).at(&prompt.span))
        })
}
