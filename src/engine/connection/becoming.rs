//! The command lines of programs that become another user.

use super::{Become, ConnectError};

/// Programs that are known.
const METHODS: [&str; 3] = ["sudo", "su", "doas"];

impl Become {
    /// The command line that runs a script in a shell as the other user.
    ///
    /// # Errors
    /// The method is not known, or cannot be used this way.
    pub(super) fn command_line(&self, script: &str, prompt: &str) -> Result<String, ConnectError> {
        let Self {
            exe, flags, user, ..
        } = self;
        let user = quoted(user);
        let shell = format!("sh -c {}", quoted(script));
        Ok(match self.method.as_str() {
            "sudo" => {
                let quiet = if self.password.is_some() { "" } else { "-n " };
                format!("exec {exe} {flags} {quiet}-p '{prompt}' -u {user} {shell}")
            }
            "su" => format!("exec {exe} {flags} {user} -c {}", quoted(&shell)),
            "doas" => {
                let quiet = if self.password.is_some() { "" } else { "-n " };
                format!("exec {exe} {flags} {quiet}-u {user} {shell}")
            }
            other => {
                return Err(ConnectError::Become(format!(
                    "become_method '{other}' is not supported; there are {}",
                    METHODS.join(", ")
                )));
            }
        })
    }

    /// Whether the program asks for its password on a terminal only.
    pub(super) fn needs_terminal(&self) -> bool {
        self.method == "doas" && self.password.is_some()
    }

    /// Whether it says that it does nothing without a terminal (`requiretty`
    /// of sudoers).
    pub(super) fn misses_terminal(said: &str) -> bool {
        said.contains("must have a tty")
    }

    /// How often the program has asked for a password, from what it said.
    pub(super) fn asked(&self, said: &str, prompt: &str) -> usize {
        match self.method.as_str() {
            "sudo" => said.matches(prompt).count(),
            // `Password: `, in whatever language.
            _ => usize::from(said.trim_end().ends_with([':', '\u{ff1a}'])),
        }
    }

    /// Whether it says that it wants a password which it was not given.
    pub(super) fn wants_password(&self, said: &str) -> bool {
        // The last two are doas': OpenBSD's own, and Linux's.
        [
            "password is required",
            "terminal is required",
            "Authorization required",
            "Authentication required",
        ]
        .iter()
        .any(|words| said.contains(words))
            || self.method == "su" && self.password.is_none() && self.asked(said, "") > 0
    }
}

/// A word for any POSIX or C shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn becoming(method: &str, password: Option<&str>) -> Become {
        Become {
            method: method.to_owned(),
            user: "o'b".to_owned(),
            password: password.map(|text| Secret::new(text.to_owned())),
            flags: "-x".to_owned(),
            exe: method.to_owned(),
        }
    }

    #[test]
    fn each_method_has_its_line() {
        let line = |method, password| becoming(method, password).command_line("echo $U", "[p]");
        assert_eq!(
            line("sudo", None).unwrap(),
            "exec sudo -x -n -p '[p]' -u 'o'\\''b' sh -c 'echo $U'"
        );
        assert_eq!(
            line("su", Some("p")).unwrap(),
            "exec su -x 'o'\\''b' -c 'sh -c '\\''echo $U'\\'''"
        );
        assert_eq!(
            line("doas", None).unwrap(),
            "exec doas -x -n -u 'o'\\''b' sh -c 'echo $U'"
        );
        let error = line("pbrun", None).unwrap_err().to_string();
        assert!(
            error.contains("'pbrun'") && error.contains("sudo, su, doas"),
            "{error}"
        );
    }

    #[test]
    fn prompts_are_told_from_banners() {
        assert_eq!(becoming("su", None).asked("Passwort: ", "[p]"), 1);
        assert_eq!(becoming("su", None).asked("Welcome.\n", "[p]"), 0);
        assert_eq!(becoming("sudo", None).asked("lecture [p][p]", "[p]"), 2);
    }
}
