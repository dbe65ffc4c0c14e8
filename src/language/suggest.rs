//! "Did you mean": the nearest known name.

/// The known name nearest to a word, if it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|name| *name != word)
        .map(|name| {
            let name_lower = name.to_lowercase();
            (strsim::damerau_levenshtein(&lower, &name_lower), name)
        })
        .filter(|(distance, name)| *distance <= (word.len().max(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_only() {
        let known = ["command", "copy", "docker_container"];
        assert_eq!(nearest("comand", known), Some("command"));
        assert_eq!(nearest("docker_contianer", known), Some("docker_container"));
        assert_eq!(nearest("systemd", known), None);
    }
}
