//! Text.

use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::run::Vm;
use crate::template::{Jinja, percent, python, text_methods};

pub(super) const ROWS: &[Row] = &[
    ("lower", "value", |_, args| {
        Ok(Jinja::from(args.text(0)?.to_lowercase()))
    }),
    ("upper", "value", |_, args| {
        Ok(Jinja::from(args.text(0)?.to_uppercase()))
    }),
    ("title", "value", title),
    ("capitalize", "value", |_, args| {
        Ok(Jinja::from(text_methods::capitalize(&args.text(0)?)))
    }),
    ("trim", "value chars", trim),
    ("replace", "value old new count", replace),
    ("split", "value sep maxsplit", split),
    ("splitlines", "value keepends", |_, args| {
        Ok(strings(text_methods::lines(
            &args.text(0)?,
            args.flag(1, false)?,
        )))
    }),
    ("format", "value * **", format),
    ("indent", "value width first blank", indent),
    ("center", "value width", center),
    (
        "wordwrap",
        "value width break_long_words wrapstring break_on_hyphens",
        wordwrap,
    ),
    ("wordcount", "value", |_, args| {
        Ok(Jinja::from(
            args.text(0)?
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .filter(|word| !word.is_empty())
                .count(),
        ))
    }),
    ("truncate", "value length killwords end leeway", truncate),
    ("quote", "value", |_, args| match args.need(0)? {
        value if value.is_none() => Ok(Jinja::from("''")),
        _ => Ok(Jinja::from(shell_word(&args.text(0)?))),
    }),
    (
        "comment",
        "value style decoration beginning prefix prefix_count postfix postfix_count end newline",
        comment,
    ),
    ("escape", "value", |_, args| {
        Ok(Jinja::from(escape(&args.text(0)?)))
    }),
    ("e", "value", |_, args| {
        Ok(Jinja::from(escape(&args.text(0)?)))
    }),
    ("forceescape", "value", |_, args| {
        Ok(Jinja::from(escape(&args.text(0)?)))
    }),
    ("striptags", "value", striptags),
];

fn strings(parts: Vec<&str>) -> Jinja {
    python::list(parts.into_iter().map(Jinja::from).collect())
}

/// Jinja's title case: capitals after spaces and opening brackets only.
fn title(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let mut result = String::with_capacity(text.len());
    let mut start = true;
    for c in text.chars() {
        if start {
            result.extend(c.to_uppercase());
        } else {
            result.extend(c.to_lowercase());
        }
        start = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    Ok(Jinja::from(result))
}

fn trim(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    Ok(Jinja::from(match args.some(1) {
        None => text.trim(),
        Some(set) => {
            let set = python::text(set)?;
            return Ok(Jinja::from(text.trim_matches(|c| set.contains(c))));
        }
    }))
}

fn replace(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let (text, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
    Ok(Jinja::from(match usize::try_from(args.int(3, -1)?) {
        Ok(count) => text.replacen(&old, &new, count),
        Err(_) => text.replace(&old, &new),
    }))
}

fn split(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let Some(text) = value.as_str() else {
        return Err(args.fail(format!(
            "text is needed, not '{}'",
            python::type_name(value)
        )));
    };
    let separator = args.some(1).map(python::text).transpose()?;
    if separator.as_deref() == Some("") {
        return Err(args.fail("empty separator"));
    }
    let limit = usize::try_from(args.int(2, -1)?).ok();
    Ok(strings(text_methods::split(
        text,
        separator.as_deref(),
        limit,
        false,
    )))
}

fn format(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let named: Vec<(Jinja, Jinja)> = args
        .extra()
        .map(|(name, value)| (Jinja::from(name), value.clone()))
        .collect();
    let values = match (named.is_empty(), args.rest().is_empty()) {
        (true, _) => python::tuple(args.rest().to_vec()),
        (false, true) => python::dict(named),
        (false, false) => {
            return Err(args.fail("give either values in order or by name, not both"));
        }
    };
    percent::format(&args.text(0)?, &values).map(Jinja::from)
}

fn indent(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let prefix = match args.some(1) {
        Some(width) if width.as_str().is_some() => python::text(width)?,
        _ => " ".repeat(usize::try_from(args.int(1, 4)?.clamp(0, 1000)).unwrap_or(4)),
    };
    let (first, blank) = (args.flag(2, false)?, args.flag(3, false)?);
    let mut result = String::with_capacity(text.len() + 64);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            result.push('\n');
        }
        let wanted = if index == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if wanted {
            result.push_str(&prefix);
        }
        result.push_str(line);
    }
    Ok(Jinja::from(result))
}

fn center(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let width = usize::try_from(args.int(1, 80)?.clamp(0, 1_000_000)).unwrap_or(80);
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    let left = missing / 2 + (missing & width & 1);
    Ok(Jinja::from(format!(
        "{}{text}{}",
        " ".repeat(left),
        " ".repeat(missing - left)
    )))
}

fn wordwrap(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let width = usize::try_from(args.int(1, 79)?.max(1)).unwrap_or(79);
    let break_long = args.flag(2, true)?;
    let glue = args.text_or(3, "\n")?;
    let hyphens = args.flag(4, true)?;
    let wrapped: Vec<String> = text_methods::lines(&text, false)
        .into_iter()
        .map(|line| wrap(line, width, break_long, hyphens).join(&glue))
        .collect();
    Ok(Jinja::from(wrapped.join(&glue)))
}

/// Breaks one line into lines of at most a width.
fn wrap(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for (index, word) in line.split_whitespace().enumerate() {
        if index > 0 {
            pieces.push(" ".into());
        }
        let mut part = String::new();
        for c in word.chars() {
            part.push(c);
            if hyphens && c == '-' && part.chars().count() > 1 {
                pieces.push(std::mem::take(&mut part));
            }
        }
        if !part.is_empty() {
            pieces.push(part);
        }
    }
    let length = |text: &str| text.chars().count();
    let mut lines = Vec::new();
    let mut current = String::new();
    for mut piece in pieces {
        if length(&current) + length(&piece) > width {
            if piece == " " {
                if !current.is_empty() {
                    lines.push(std::mem::take(&mut current));
                }
                continue;
            }
            let full = current.trim_end().to_owned();
            current.clear();
            if !full.is_empty() {
                lines.push(full);
            }
            while break_long && length(&piece) > width {
                let head: String = piece.chars().take(width).collect();
                piece = piece.chars().skip(width).collect();
                lines.push(head);
            }
        }
        if piece == " " && current.is_empty() {
            continue;
        }
        current.push_str(&piece);
    }
    let rest = current.trim_end();
    if !rest.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

fn truncate(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let size = |index, default| {
        Ok::<_, Error>(usize::try_from(args.int(index, default)?.max(0)).unwrap_or(0))
    };
    let (length, leeway) = (size(1, 255)?, size(4, 5)?);
    let killwords = args.flag(2, false)?;
    let end = args.text_or(3, "...")?;
    if text.chars().count() <= length + leeway {
        return Ok(Jinja::from(text));
    }
    let kept: String = text
        .chars()
        .take(length.saturating_sub(end.chars().count()))
        .collect();
    let kept = if killwords {
        kept.as_str()
    } else {
        kept.rsplit_once(' ')
            .map_or(kept.as_str(), |(head, _)| head)
    };
    Ok(Jinja::from(format!("{kept}{end}")))
}

/// A word for a POSIX shell.
fn shell_word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }
}

fn comment(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let style = args.text_or(1, "plain")?;
    let (decoration, beginning, end) = match style.as_str() {
        "plain" => ("# ", "", ""),
        "erlang" => ("% ", "", ""),
        "c" => ("// ", "", ""),
        "cblock" => (" * ", "/*", " */"),
        "xml" => (" - ", "<!--", "-->"),
        other => return Err(args.fail(format!("Invalid style '{other}'"))),
    };
    let decoration = args.text_or(2, decoration)?;
    let beginning = args.text_or(3, beginning)?;
    let prefix = args.text_or(4, decoration.trim_end())?;
    let times =
        |index| Ok::<_, Error>(usize::try_from(args.int(index, 1)?.clamp(0, 1000)).unwrap_or(1));
    let prefix_count = times(5)?;
    let postfix = args.text_or(6, decoration.trim_end())?;
    let postfix_count = times(7)?;
    let end = args.text_or(8, end)?;
    let newline = args.text_or(9, "\n")?;
    let mut result = String::new();
    if !beginning.is_empty() {
        result.push_str(&beginning);
        result.push_str(&newline);
    }
    if !prefix.is_empty() && prefix != newline {
        for _ in 0..prefix_count {
            result.push_str(&prefix);
            result.push_str(&newline);
        }
    }
    for (index, line) in text.split(newline.as_str()).enumerate() {
        if index > 0 {
            result.push_str(&newline);
        }
        if line.is_empty() {
            result.push_str(decoration.trim_end());
        } else {
            result.push_str(&decoration);
            result.push_str(line);
        }
    }
    for _ in 0..postfix_count {
        result.push_str(&newline);
        result.push_str(&postfix);
    }
    if !end.is_empty() {
        result.push_str(&newline);
        result.push_str(&end);
    }
    Ok(Jinja::from(result))
}

pub(super) fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&#34;"),
            '\'' => result.push_str("&#39;"),
            c => result.push(c),
        }
    }
    result
}

fn striptags(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let mut plain = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    Ok(Jinja::from(words.join(" ")))
}
