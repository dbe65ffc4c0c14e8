//! The host's Python: not needed here, but playbooks ask for it.

use serde_json::json;

use super::Gather;

pub(super) fn gather(gather: &mut Gather<'_>) {
    let programs = ["python3", "python"];
    let Some(program) = programs.iter().find_map(|name| gather.look.which(name)) else {
        return;
    };
    // Answers before it has loaded anything.
    let Some(path) = program.to_str() else { return };
    let Some(text) = gather.look.try_query(&[path, "--version"]) else {
        return;
    };
    let Some((version, [major, minor, micro])) = parse(&text) else {
        return;
    };
    let real = std::fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
    // A virtual environment works only by its own name.
    let executable = match real.parent() == program.parent() {
        true => &real,
        false => &program,
    };
    gather.put("python_version", version);
    gather.put(
        "python",
        json!({
            "executable": executable,
            "has_sslcontext": true,
            "type": "cpython",
            "version": {
                "major": major,
                "minor": minor,
                "micro": micro,
                "releaselevel": "final",
                "serial": 0,
            },
            "version_info": [major, minor, micro, "final", 0],
        }),
    );
}

/// `Python 3.11.2`.
fn parse(text: &str) -> Option<(String, [u32; 3])> {
    let version = text.trim().strip_prefix("Python ")?;
    let mut numbers = version.split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit());
        part[..end.unwrap_or(part.len())].parse().ok()
    });
    let numbers = [numbers.next()??, numbers.next()??, numbers.next()??];
    Some((version.to_owned(), numbers))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn versions() {
        let (text, numbers) = parse("Python 3.11.2\n").unwrap();
        assert_eq!((text.as_str(), numbers), ("3.11.2", [3, 11, 2]));
        assert!(parse("Jython").is_none());
    }
}
