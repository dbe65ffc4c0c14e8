//! Lines of fstab, and the kernel's list of mounts.

/// One line of fstab, in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) kind: String,
    pub(super) options: String,
    pub(super) dump: String,
    pub(super) pass: String,
}

/// Blanks as octal numbers, as both files write them.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' => out.push_str("\\040"),
            '\t' => out.push_str("\\011"),
            '\n' => out.push_str("\\012"),
            c => out.push(c),
        }
    }
    out
}

fn plain(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|digits| {
            bytes[at] == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d))
        });
        match octal {
            Some(digits) => {
                let value = digits
                    .iter()
                    .fold(0u32, |sum, d| sum * 8 + u32::from(d - b'0'));
                out.push(value as u8);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Entry {
    fn read(line: &str) -> Option<Self> {
        if line.trim_start().starts_with('#') {
            return None;
        }
        let mut words = line.split_whitespace();
        let mut next = || words.next().map(plain);
        let (source, target, kind) = (next()?, next()?, next()?);
        Some(Self {
            source,
            target,
            kind,
            options: next().unwrap_or_else(|| "defaults".to_owned()),
            dump: next().unwrap_or_else(|| "0".to_owned()),
            pass: next().unwrap_or_else(|| "0".to_owned()),
        })
    }

    fn show(&self) -> String {
        let fields = [
            &self.source,
            &self.target,
            &self.kind,
            &self.options,
            &self.dump,
            &self.pass,
        ];
        fields.map(|field| escape(field)).join(" ") + "\n"
    }

    /// The line of the same place. Swap has no place; there, the source tells.
    fn is_for(&self, wanted: &Self) -> bool {
        let trimmed = self.target.trim_end_matches('/');
        let same = trimmed == wanted.target.trim_end_matches('/');
        let nowhere = matches!(wanted.target.as_str(), "none" | "swap");
        same && (!nowhere || wanted.source.is_empty() || self.source == wanted.source)
    }
}

/// The table with the entry in it.
pub(super) fn with(text: &str, wanted: &Entry) -> String {
    let mut out = String::new();
    let mut found = false;
    for line in text.split_inclusive('\n') {
        match Entry::read(line) {
            Some(entry) if entry.is_for(wanted) => {
                found = true;
                if entry == *wanted {
                    out.push_str(line);
                } else {
                    out.push_str(&wanted.show());
                }
            }
            _ => out.push_str(line),
        }
    }
    if !found {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&wanted.show());
    }
    out
}

/// The table without what is for the same place.
pub(super) fn without(text: &str, wanted: &Entry) -> String {
    text.split_inclusive('\n')
        .filter(|line| {
            !Entry::read(line).is_some_and(|entry| {
                entry.is_for(wanted) && (wanted.source.is_empty() || entry.source == wanted.source)
            })
        })
        .collect()
}

/// Something that is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) target: String,
    pub(super) source: String,
    /// The directory of the file system that is shown.
    root: String,
}

impl Mounted {
    /// Whether it is what a playbook calls `source`.
    pub(super) fn is_of(&self, source: &str) -> bool {
        let real = std::fs::canonicalize(source).map(|path| path.to_string_lossy().into_owned());
        self.source == source
            || real.is_ok_and(|real| {
                real == self.source
                    || (real.starts_with('/') && real.ends_with(&self.root) && self.root != "/")
            })
    }
}

/// What the kernel's `mountinfo` lists.
pub(super) fn mounts(text: &str) -> Vec<Mounted> {
    text.lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut fields = left.split(' ').skip(3);
            Some(Mounted {
                root: plain(fields.next()?),
                target: plain(fields.next()?),
                source: plain(right.split(' ').nth(1)?),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table() {
        let entry = Entry {
            source: "UUID=1".into(),
            target: "/a b".into(),
            kind: "ext4".into(),
            options: "defaults".into(),
            dump: "0".into(),
            pass: "2".into(),
        };
        let text = "# x\n/dev/sda1 / ext4\n";
        let after = with(text, &entry);
        assert_eq!(
            after,
            "# x\n/dev/sda1 / ext4\nUUID=1 /a\\040b ext4 defaults 0 2\n"
        );
        assert_eq!(with(&after, &entry), after);
        assert_eq!(without(&after, &entry), text);
        let swap = |source: &str| Entry {
            source: source.into(),
            target: "none".into(),
            kind: "swap".into(),
            ..entry.clone()
        };
        let two = with(&with("", &swap("/s1")), &swap("/s2"));
        assert_eq!(two.lines().count(), 2);
    }

    #[test]
    fn the_kernels_list() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw\n";
        let all = mounts(text);
        assert_eq!(
            (all[0].target.as_str(), all[0].source.as_str()),
            ("/mnt 2", "/dev/root")
        );
    }
}
