//! Permission bits as playbooks write them: octal, symbolic, `preserve`.

use ocplay_protocol::{ArgKind, Argument, coerce};
use serde_json::Value;

/// A wanted mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All bits are known.
    Bits(u32),
    /// A change relative to the bits that are there.
    Symbolic(String),
    /// The bits of the source file.
    Preserve,
}

/// Whole numbers that are surely an octal mode written without quotes and
/// without a leading zero.
const FORGOTTEN_ZERO: &[u64] = &[
    400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 711, 744, 750, 755, 770, 775,
    777,
];

impl Argument for Mode {
    fn kind() -> ArgKind {
        ArgKind::Any
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Number(number) => match number.as_u64() {
                Some(bits) if FORGOTTEN_ZERO.contains(&bits) => Err(format!(
                    "the number {bits} is not the mode you mean (it is {bits:04o} in octal); \
                     write '0{bits}' in quotes"
                )),
                Some(bits) if bits <= 0o7777 => Ok(Self::Bits(bits as u32)),
                _ => Err(format!(
                    "{number} is not a mode; write it in quotes, like '0644'"
                )),
            },
            Value::String(text) => Self::parse(text),
            other => Err(format!(
                "{} is not a mode; write it like '0644' or 'u=rw,g=r'",
                coerce::describe(other)
            )),
        }
    }

    fn show(&self) -> Value {
        match self {
            Self::Bits(bits) => Value::String(format!("{bits:04o}")),
            Self::Symbolic(text) => Value::String(text.clone()),
            Self::Preserve => Value::from("preserve"),
        }
    }

    fn blank() -> Self {
        Self::Preserve
    }
}

impl Mode {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "preserve" {
            return Ok(Self::Preserve);
        }
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return match u32::from_str_radix(digits, 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Self::Bits(bits)),
                _ => Err(format!(
                    "'{text}' is not an octal mode between 0000 and 7777"
                )),
            };
        }
        symbolic(text, 0, false, 0)?;
        Ok(Self::Symbolic(text.to_owned()))
    }

    /// The bits to set on a file that now has `current`.
    pub(crate) fn bits(&self, current: u32, directory: bool, umask: u32) -> u32 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Symbolic(text) => {
                symbolic(text, current & 0o7777, directory, umask).unwrap_or(current & 0o7777)
            }
            Self::Preserve => current & 0o7777,
        }
    }
}

/// Applies a symbolic mode such as `u=rwX,g+s,o-w,a+x,u=g`.
fn symbolic(text: &str, current: u32, directory: bool, umask: u32) -> Result<u32, String> {
    let wrong = || {
        format!("'{text}' is neither an octal mode like '0644' nor a symbolic one like 'u=rw,g=r'")
    };
    let mut mode = current;
    for clause in text.split(',') {
        let clause = clause.trim();
        let at = clause.find(['+', '-', '=']).ok_or_else(wrong)?;
        let (who, mut rest) = clause.split_at(at);
        let mut mask = 0;
        for c in who.chars() {
            mask |= match c {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return Err(wrong()),
            };
        }
        // Without a class, all that the umask lets through.
        let spared = if who.is_empty() { umask } else { 0 };
        if who.is_empty() {
            mask = 0o7777;
        }
        while let Some(operator) = rest.chars().next() {
            let body = &rest[1..];
            let end = body.find(['+', '-', '=']).unwrap_or(body.len());
            let mut bits = 0;
            for c in body[..end].chars() {
                let three = match c {
                    'r' => 4,
                    'w' => 2,
                    'x' => 1,
                    'X' if directory || current & 0o111 != 0 => 1,
                    'X' => 0,
                    's' => {
                        bits |= 0o6000;
                        0
                    }
                    't' => {
                        bits |= 0o1000;
                        0
                    }
                    'u' => mode >> 6 & 7,
                    'g' => mode >> 3 & 7,
                    'o' => mode & 7,
                    _ => return Err(wrong()),
                };
                bits |= three * 0o111;
            }
            bits &= mask & !spared;
            mode = match operator {
                '+' => mode | bits,
                '-' => mode & !bits,
                // The special bits of a directory survive, as with chmod.
                _ if directory => mode & !(mask & 0o777) | bits,
                _ => mode & !mask | bits,
            };
            rest = &body[end..];
        }
    }
    Ok(mode)
}

/// `0644`, as results show a mode.
pub(crate) fn show(bits: u32) -> String {
    format!("{:04o}", bits & 0o7777)
}

/// `0644` and `01777`: a zero in front of whatever bits there are, as the
/// modules that change files show a mode.
pub(crate) fn full(bits: u32) -> String {
    format!("0{:03o}", bits & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn octal_forms() {
        assert_eq!(Mode::read(&json!("0644")), Ok(Mode::Bits(0o644)));
        assert_eq!(Mode::read(&json!("644")), Ok(Mode::Bits(0o644)));
        assert_eq!(Mode::read(&json!("0o1777")), Ok(Mode::Bits(0o1777)));
        assert_eq!(Mode::read(&json!(420)), Ok(Mode::Bits(0o644)));
        assert_eq!(Mode::read(&json!("preserve")), Ok(Mode::Preserve));
        assert!(Mode::read(&json!(644)).unwrap_err().contains("'0644'"));
        assert!(Mode::read(&json!("0999")).is_err());
        assert!(Mode::read(&json!("17777")).is_err());
        assert!(Mode::read(&json!("rw")).is_err());
        assert!(Mode::read(&json!("u=z")).is_err());
        assert!(Mode::read(&json!([])).is_err());
    }

    #[test]
    fn symbolic_forms() {
        let apply = |text: &str, current, directory| {
            Mode::parse(text).unwrap().bits(current, directory, 0o022)
        };
        assert_eq!(apply("u=rw,g=r,o=", 0o777, false), 0o640);
        assert_eq!(apply("u+x", 0o644, false), 0o744);
        assert_eq!(apply("a+rX", 0o600, false), 0o644);
        assert_eq!(apply("a+rX", 0o600, true), 0o755);
        assert_eq!(apply("u=rwX,go=rX", 0o700, false), 0o755);
        assert_eq!(apply("g+s", 0o755, true), 0o2755);
        assert_eq!(apply("o=u", 0o750, false), 0o757);
        assert_eq!(apply("+w", 0o444, false), 0o644);
        assert_eq!(apply("u-w+x", 0o600, false), 0o500);
        assert_eq!(apply("+t", 0o755, true), 0o1755);
    }
}
