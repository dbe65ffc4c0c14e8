//! Database servers, spoken to in their own protocols: no client program is
//! needed, and no password gets onto a command line.

pub(crate) mod mysql;
pub(crate) mod postgresql;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::host::{Explain, Failure, Look, net};

/// A connection, whatever it goes over.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Stream {
    pub(crate) fn local(path: &Path, limit: Duration) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path)
            .explain(format_args!("connect to the socket {}", path.display()))?;
        stream
            .set_write_timeout(Some(limit))
            .explain("set a time limit")?;
        Ok(Self::Unix(stream))
    }

    pub(crate) fn remote(
        look: &Look,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let mut trouble = None;
        for address in net::resolve(look, host)? {
            match TcpStream::connect_timeout(&(address, port).into(), limit) {
                Ok(stream) => {
                    stream.set_nodelay(true).ok();
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => trouble = Some(error),
            }
        }
        let error = trouble.unwrap_or_else(|| io::ErrorKind::NotFound.into());
        Err(error).explain(format_args!("connect to {host} port {port}"))
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(data),
            Self::Tcp(stream) => stream.write(data),
            Self::Tls(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}
