//! The messages of the protocol, as far as they are read.

use super::Error;
use crate::host::Failure;

/// What one message holds, read from its front.
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A text that ends in a zero.
    pub(super) fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

pub(super) fn error_of(mut body: Body) -> Error {
    let (mut code, mut message, mut more) = (String::new(), String::new(), String::new());
    while let Some([kind]) = body.bytes(1) {
        let Some(text) = body.text() else { break };
        match kind {
            b'C' => code = text,
            b'M' => message = text,
            b'D' => more.push_str(&format!("\nDETAIL:  {text}")),
            b'H' => more.push_str(&format!("\nHINT:  {text}")),
            _ => {}
        }
    }
    Error::Server {
        code,
        message: message + &more,
    }
}

pub(super) fn broken() -> Error {
    Failure::new("the server sent what is no message of PostgreSQL; is login_port right?").into()
}

pub(super) fn columns(body: &mut Body) -> Option<Vec<(String, u32)>> {
    let count = body.short()?;
    let mut all = Vec::new();
    for _ in 0..count {
        let name = body.text()?;
        // Table and column.
        body.bytes(6)?;
        let kind = body.long()?;
        // Length, modifier, format.
        body.bytes(8)?;
        all.push((name, kind));
    }
    Some(all)
}

pub(super) fn row(body: &mut Body) -> Option<Vec<Option<String>>> {
    let count = body.short()?;
    let mut all = Vec::new();
    for _ in 0..count {
        let length = body.long()?;
        if length == u32::MAX {
            all.push(None);
            continue;
        }
        let bytes = body.bytes(usize::try_from(length).ok()?)?;
        all.push(Some(String::from_utf8_lossy(bytes).into_owned()));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_end_early() {
        assert!(columns(&mut Body(&[0, 1, b'a'])).is_none());
        assert!(row(&mut Body(&[0, 1, 0, 0, 0, 9, 1])).is_none());
        assert_eq!(
            row(&mut Body(&[0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, b'x'])),
            Some(vec![None, Some("x".to_owned())])
        );
    }
}
