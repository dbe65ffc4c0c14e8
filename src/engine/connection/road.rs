//! How the bytes of a connection get to the host.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{ConnectError, Target};

/// Bytes there and back.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A TCP connection of our own.
pub(super) async fn direct(target: &Target) -> Result<Box<dyn Stream>, ConnectError> {
    let addresses: Vec<_> = tokio::net::lookup_host((target.address.as_str(), target.port))
        .await
        .map_err(|error| ConnectError::Resolve(target.address.clone(), error.to_string()))?
        .collect();
    let socket = TcpStream::connect(&addresses[..]).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                "Nothing listens there: is sshd running, and is ansible_port right?"
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                "Is the host up, and the address right?"
            }
            _ => "Check the address and the network",
        };
        ConnectError::Network {
            address: target.address.clone(),
            port: target.port,
            reason: error.to_string(),
            hint,
        }
    })?;
    socket
        .set_nodelay(true)
        .map_err(|error| ConnectError::Lost(error.to_string()))?;
    Ok(Box::new(socket))
}

/// The streams of a program (`ProxyCommand`). It ends with them.
pub(super) fn command(line: &str) -> Result<Box<dyn Stream>, ConnectError> {
    let failed = |error: io::Error| {
        ConnectError::Option(format!("ProxyCommand={line} (it does not start: {error})"))
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("exec {line}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(ConnectError::Bootstrap("no pipes".to_owned()));
    };
    Ok(Box::new(Program {
        input,
        output,
        _child: child,
    }))
}

struct Program {
    input: ChildStdin,
    output: ChildStdout,
    _child: Child,
}

impl AsyncRead for Program {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

impl AsyncWrite for Program {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(context)
    }
}
