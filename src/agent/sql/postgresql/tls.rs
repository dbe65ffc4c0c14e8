//! Encryption of a connection over the network.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned,
};

use super::{Encryption, Login};
use crate::host::{Explain, Failure, Look};
use crate::sql::Stream;

/// A number that no version has: may we encrypt?
const ASK: u32 = 80_877_103;

/// Where the authorities are that the whole system knows.
const SYSTEM: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// Encrypts as the task says and the server can.
pub(super) fn secured(login: &Login, look: &Look, stream: Stream) -> Result<Stream, Failure> {
    let mode = login.encryption;
    if matches!(mode, Encryption::Disable | Encryption::Allow) {
        return Ok(stream);
    }
    let Stream::Tcp(mut plain) = stream else {
        return Ok(stream);
    };
    let asked = [8_u32.to_be_bytes(), ASK.to_be_bytes()].concat();
    plain.write_all(&asked).explain("talk to the server")?;
    let mut answer = [0];
    plain
        .read_exact(&mut answer)
        .explain("hear from the server")?;
    if answer != *b"S" {
        if mode == Encryption::Prefer {
            return Ok(Stream::Tcp(plain));
        }
        return Err(Failure::new(format!(
            "the server does not encrypt, and ssl_mode is {}",
            mode.word()
        )));
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        trust: trust(login, look, &provider)?,
        names: mode == Encryption::VerifyFull,
        provider: provider.clone(),
    };
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("cannot encrypt: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(login.host.clone())
        .map_err(|_| Failure::new(format!("login_host: '{}' is no name of a host", login.host)))?;
    let connection = ClientConnection::new(Arc::new(settings), name)
        .map_err(|error| Failure::new(format!("cannot encrypt: {error}")))?;
    let mut secured = StreamOwned::new(connection, plain);
    secured
        .conn
        .complete_io(&mut secured.sock)
        .explain(format_args!("encrypt the connection to {}", login.host))?;
    Ok(Stream::Tls(Box::new(secured)))
}

/// Who may have signed the server's certificate; `None` where that does not count.
fn trust(
    login: &Login,
    look: &Look,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Trust>, Failure> {
    let mode = login.encryption;
    let strict = matches!(mode, Encryption::VerifyCa | Encryption::VerifyFull);
    let file = match &login.authorities {
        // As libpq has it: a file of authorities makes it strict.
        Some(file) if strict || mode == Encryption::Require => file.clone(),
        None if strict => {
            let own = look.expand("~/.postgresql/root.crt");
            let all = std::iter::once(own.as_str()).chain(SYSTEM);
            let found = all
                .map(std::path::PathBuf::from)
                .find(|file| look.stat(file).ok().flatten().is_some());
            found.ok_or_else(|| {
                Failure::new(format!(
                    "ssl_mode {} needs ca_cert: there is no file of authorities",
                    mode.word()
                ))
            })?
        }
        _ => return Ok(None),
    };
    let text = look
        .read(&file)?
        .ok_or_else(|| Failure::new(format!("ca_cert: {} does not exist", file.display())))?;
    let known: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).flatten().collect();
    let mut roots = RootCertStore::empty();
    for certificate in &known {
        // One that cannot be used is no reason to refuse the others.
        drop(roots.add(certificate.clone()));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| Failure::new(format!("{} holds no authority: {error}", file.display())))?;
    Ok(Some(Trust { verifier, known }))
}

/// Authorities, as they are checked against and as they are.
#[derive(Debug)]
struct Trust {
    verifier: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
}

/// Checks of the server's certificate what the task wants.
#[derive(Debug)]
struct Verifier {
    trust: Option<Trust>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(trust) = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        // A certificate that signs itself may be its own authority.
        let verified = if trust.known.iter().any(|known| known == end_entity) {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            verify_server_name(&parsed, server_name).map(|()| ServerCertVerified::assertion())
        } else {
            trust.verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            )
        };
        match verified {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.names => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
