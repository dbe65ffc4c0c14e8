//! Length-prefixed frames: a big-endian u32, then a postcard body.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest body that is accepted; a hostile peer cannot make us allocate more.
pub const MAX_FRAME: u32 = 64 * 1024 * 1024;

/// Room for a body that is made before it has arrived.
const AT_ONCE: usize = 512 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the channel was closed")]
    Closed,
    #[error("the channel failed: {0}")]
    Io(#[from] io::Error),
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME}")]
    TooLong(u32),
    #[error("a frame could not be decoded: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Encodes one message with its length in front.
///
/// # Errors
/// [`FrameError::TooLong`] for a body over [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = postcard::to_extend(message, vec![0; 4])?;
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Decodes one body (without its length).
///
/// # Errors
/// [`FrameError::Malformed`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(postcard::from_bytes(body)?)
}

/// Checks a length prefix.
///
/// # Errors
/// [`FrameError::TooLong`].
pub fn length(prefix: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(prefix);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    Ok(length as usize)
}

/// Writes one message and flushes.
///
/// # Errors
/// See [`FrameError`].
pub fn write_frame<T: Serialize>(out: &mut impl Write, message: &T) -> Result<(), FrameError> {
    out.write_all(&encode(message)?)?;
    out.flush()?;
    Ok(())
}

/// Reads one message; blocks until it is whole.
///
/// # Errors
/// [`FrameError::Closed`] when the stream ends between two frames.
pub fn read_frame<T: DeserializeOwned>(input: &mut impl Read) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    let first = loop {
        match input.read(&mut prefix) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if first == 0 {
        return Err(FrameError::Closed);
    }
    input.read_exact(&mut prefix[first..])?;
    let wanted = length(prefix)?;
    // Grows with what really arrives: a lying prefix costs no memory.
    let mut body = Vec::with_capacity(wanted.min(AT_ONCE));
    let got = input.take(wanted as u64).read_to_end(&mut body)?;
    if got < wanted {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    decode(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromAgent, Outcome, ToAgent};

    #[test]
    fn round_trip() {
        let message = FromAgent::Done {
            task: 7,
            outcome: Outcome::failure("no"),
        };
        let bytes = encode(&message).unwrap();
        let back: FromAgent = read_frame(&mut bytes.as_slice()).unwrap();
        assert_eq!(back, message);
    }

    #[test]
    fn bytes_travel_as_they_are() {
        let data: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let chunk = ToAgent::Chunk {
            task: 1,
            blob: 2,
            data: data.clone(),
            last: true,
        };
        let blob = |inline| crate::Blob {
            name: String::new(),
            kind: crate::BlobKind::File,
            mode: 0o644,
            size: 0,
            sha1: String::new(),
            inline,
        };
        let run = ToAgent::Run(crate::Request {
            task: 1,
            heard: 0,
            behind: None,
            module: "copy".into(),
            args: "{}".into(),
            check: false,
            diff: false,
            environment: Vec::new(),
            blobs: vec![blob(None), blob(Some(Vec::new())), blob(Some(data))],
            detached: None,
        });
        for message in [chunk, run] {
            let bytes = encode(&message).unwrap();
            let back: ToAgent = read_frame(&mut bytes.as_slice()).unwrap();
            assert!(back == message);
            assert!(read_frame::<ToAgent>(&mut &bytes[..bytes.len() - 50]).is_err());
        }
    }

    #[test]
    fn truncated_frame_is_an_error_at_every_length() {
        let bytes = encode(&ToAgent::Cancel { task: 1 << 40 }).unwrap();
        for end in 1..bytes.len() {
            let read = read_frame::<ToAgent>(&mut &bytes[..end]);
            assert!(matches!(read, Err(FrameError::Io(_))), "{end}: {read:?}");
        }
        assert!(matches!(
            read_frame::<ToAgent>(&mut [].as_slice()),
            Err(FrameError::Closed)
        ));
    }

    #[test]
    fn a_long_prefix_is_refused_without_reading() {
        let bytes = u32::MAX.to_be_bytes();
        assert!(matches!(
            read_frame::<ToAgent>(&mut bytes.as_slice()),
            Err(FrameError::TooLong(_))
        ));
    }

    #[test]
    fn garbage_is_malformed() {
        let bytes = [0, 0, 0, 2, 0xff, 0xff];
        assert!(matches!(
            read_frame::<ToAgent>(&mut bytes.as_slice()),
            Err(FrameError::Malformed(_))
        ));
    }
}
