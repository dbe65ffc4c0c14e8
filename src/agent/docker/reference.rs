//! Names of images.

/// Repository and tag of a name such as `localhost:5100/base:1.0`. The digest
/// of `name@sha256:…` counts as a tag that starts with `sha256:`.
pub(crate) fn split(name: &str) -> (&str, Option<&str>) {
    if let Some((repository, digest)) = name.split_once('@') {
        return (repository, Some(digest));
    }
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// Whether the name is the number of an image.
pub(crate) fn is_id(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    (digits.len() == 64 || (digits.len() < name.len() && digits.len() >= 12))
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name with its tag, as one writes it on a command line.
pub(crate) fn with_tag(name: &str, tag: &str) -> String {
    match split(name) {
        _ if is_id(name) => name.to_owned(),
        (_, Some(_)) => name.to_owned(),
        (repository, None) if tag.starts_with("sha256:") => format!("{repository}@{tag}"),
        (repository, None) => format!("{repository}:{tag}"),
    }
}

/// One spelling for all names of the same image.
pub(crate) fn canonical(name: &str) -> String {
    if is_id(name) {
        return name.to_owned();
    }
    let name = with_tag(name, "latest");
    let name = name.strip_prefix("docker.io/").unwrap_or(&name);
    name.strip_prefix("library/").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_tags() {
        assert_eq!(split("localhost:5100/base"), ("localhost:5100/base", None));
        assert_eq!(split("base:1"), ("base", Some("1")));
        assert_eq!(split("a@sha256:0f"), ("a", Some("sha256:0f")));
        assert_eq!(
            with_tag("localhost:5100/base", "2"),
            "localhost:5100/base:2"
        );
        assert_eq!(with_tag("base:1", "2"), "base:1");
        assert_eq!(canonical("docker.io/library/redis"), "redis:latest");
        assert_eq!(canonical("quay.io/redis:7"), "quay.io/redis:7");
        let id = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(canonical(&id), id);
        assert!(!is_id("cafe"));
    }
}
