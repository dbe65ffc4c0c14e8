use std::sync::Arc;

use super::*;

/// Recorded from ansible-vault.
const PLAIN: &str = include_str!("samples/default.vault");
const LABELLED: &str = include_str!("samples/prod.vault");
const CONTENT: &str = "a: 1\nsecret: \"grüße\"\n";

fn keyring(secrets: &[(&str, &str)], strict: bool) -> Keyring {
    let secrets = secrets
        .iter()
        .map(|(label, password)| VaultSecret::new(*label, *password))
        .collect();
    Keyring::new(secrets, strict)
}

#[test]
fn files_of_ansible_vault_open() {
    let keys = keyring(&[("default", "pw1"), ("prod", "pw2")], false);
    let (text, by) = keys.open(PLAIN).unwrap();
    assert_eq!(
        (String::from_utf8(text).unwrap().as_str(), by.label()),
        (CONTENT, "default")
    );
    let (text, by) = keys.open(LABELLED).unwrap();
    assert_eq!(
        (String::from_utf8(text).unwrap().as_str(), by.label()),
        (CONTENT, "prod")
    );
}

#[test]
fn a_label_is_a_hint_unless_it_must_match() {
    assert!(keyring(&[("other", "pw2")], false).open(LABELLED).is_ok());
    let strict = keyring(&[("other", "pw2")], true);
    assert_eq!(strict.open(LABELLED).unwrap_err(), VaultError::NoneFits);
    let nothing = keyring(&[], false);
    assert_eq!(nothing.open(PLAIN).unwrap_err(), VaultError::NoSecrets);
    assert_eq!(
        keyring(&[("default", "wrong")], false)
            .open(PLAIN)
            .unwrap_err(),
        VaultError::NoneFits
    );
}

#[test]
fn what_is_sealed_opens_again() {
    let keys = keyring(&[("a", "x")], false);
    let secret = &keys.secrets()[0];
    for length in [0, 1, 15, 16, 17, 1000] {
        let content = vec![b'z'; length];
        let text = Envelope::seal(&content, secret, Some("a"), None).unwrap();
        assert!(text.starts_with("$ANSIBLE_VAULT;1.2;AES256;a\n"));
        assert!(text.lines().all(|line| line.len() <= 80));
        assert_eq!(keys.open(&text).unwrap().0, content);
    }
    let text = Envelope::seal(b"x", secret, Some(DEFAULT_LABEL), None).unwrap();
    assert!(text.starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
}

#[test]
fn a_fixed_salt_gives_the_same_text() {
    let secret = VaultSecret::new("a", "x");
    let seal = || Envelope::seal(b"x", &secret, None, Some(b"salt")).unwrap();
    assert_eq!(seal(), seal());
}

#[test]
fn damage_is_said_and_never_opened() {
    let keys = keyring(&[("default", "pw1")], false);
    let open = |text: &str| keys.open(text).unwrap_err();
    assert_eq!(open("a: 1"), VaultError::NotEncrypted);
    assert_eq!(
        open("$ANSIBLE_VAULT;9.9;AES256\n00\n"),
        VaultError::Version("9.9".to_owned())
    );
    assert_eq!(
        open("$ANSIBLE_VAULT;1.1;ROT13\n00\n"),
        VaultError::Cipher("ROT13".to_owned())
    );
    assert!(matches!(
        open("$ANSIBLE_VAULT;1.1;AES256\nxyz\n"),
        VaultError::Malformed(_)
    ));
    assert!(matches!(
        open("$ANSIBLE_VAULT;1.1;AES256\n0\n"),
        VaultError::Malformed(_)
    ));
    assert!(matches!(
        open("$ANSIBLE_VAULT;1.1;AES256\n"),
        VaultError::Malformed(_)
    ));
    let last = PLAIN.trim_end().len() - 1;
    let broken = format!("{}0\n", &PLAIN[..last]);
    assert!(keys.open(&broken).is_err());
}

#[test]
fn values_are_opened_once_and_remembered_for_masking() {
    let keys = keyring(&[("default", "pw1")], false);
    let text: Arc<str> = PLAIN.into();
    assert_eq!(&*keys.text(&text).unwrap(), CONTENT);
    assert_eq!(keys.opened(), [Arc::<str>::from(CONTENT)]);
    assert_eq!(format!("{keys:?}"), "[VaultSecret(default, ********)]");
}
