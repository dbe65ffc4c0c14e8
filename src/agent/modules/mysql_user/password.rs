//! What a server keeps about an account.

use serde_json::{Map, Value};
use sha1::{Digest, Sha1};

use crate::host::{Failure, hex};
use crate::sql::mysql::{Server, quote};

/// The hash of mysql_native_password.
pub(super) fn native(password: &str) -> String {
    if password.is_empty() {
        return String::new();
    }
    let twice = Sha1::digest(Sha1::digest(password.as_bytes()));
    format!("*{}", hex(&twice).to_uppercase())
}

fn row(server: &mut Server, user: &str, host: &str) -> Result<Map<String, Value>, Failure> {
    let sql = format!(
        "SELECT * FROM mysql.user WHERE user = {} AND host = {}",
        quote(user),
        quote(host)
    );
    let rows = server.query(&sql)?.rows;
    let row = rows.into_iter().next().unwrap_or_default();
    // The spelling of columns differs between servers.
    Ok(row
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value))
        .collect())
}

fn text(row: &Map<String, Value>, name: &str) -> String {
    let value = row.get(name).filter(|value| !value.is_null());
    value
        .map(|value| ocplay_protocol::coerce::text(value).unwrap_or_default())
        .unwrap_or_default()
}

/// The plug-in of an account, and what it keeps.
pub(super) fn kept(
    server: &mut Server,
    user: &str,
    host: &str,
) -> Result<Option<(String, String)>, Failure> {
    let row = row(server, user, host)?;
    if row.is_empty() {
        return Ok(None);
    }
    let hash = match text(&row, "authentication_string") {
        hash if hash.is_empty() => text(&row, "password"),
        hash => hash,
    };
    Ok(Some((text(&row, "plugin"), hash)))
}

/// Everything else about an account.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) requirement: String,
    limits: [(&'static str, i64); 4],
    pub(super) locked: bool,
    pub(super) expired: bool,
    /// Days; `None` is what the server says for all.
    pub(super) lifetime: Option<i64>,
    /// `None` where the server has no attributes.
    pub(super) attributes: Option<Map<String, Value>>,
}

impl Options {
    pub(super) fn limit(&self, name: &str) -> Option<i64> {
        self.limits
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

pub(super) fn options(
    server: &mut Server,
    user: &str,
    host: &str,
    fresh: bool,
) -> Result<Options, Failure> {
    let row = if fresh {
        Map::new()
    } else {
        row(server, user, host)?
    };
    let number = |name: &str| text(&row, name).parse::<i64>().unwrap_or(0);
    let parts: Vec<String> = [
        ("CIPHER", "ssl_cipher"),
        ("ISSUER", "x509_issuer"),
        ("SUBJECT", "x509_subject"),
    ]
    .iter()
    .map(|(word, column)| (word, text(&row, column)))
    .filter(|(_, value)| !value.is_empty())
    .map(|(word, value)| format!("{word} {}", quote(&value)))
    .collect();
    let requirement = match text(&row, "ssl_type").as_str() {
        "ANY" => "SSL".to_owned(),
        "X509" => "X509".to_owned(),
        "SPECIFIED" => parts.join(" AND "),
        _ => "NONE".to_owned(),
    };
    let mut options = Options {
        requirement,
        limits: [
            ("MAX_QUERIES_PER_HOUR", number("max_questions")),
            ("MAX_UPDATES_PER_HOUR", number("max_updates")),
            ("MAX_CONNECTIONS_PER_HOUR", number("max_connections")),
            ("MAX_USER_CONNECTIONS", number("max_user_connections")),
        ],
        locked: text(&row, "account_locked") == "Y",
        expired: text(&row, "password_expired") == "Y",
        lifetime: text(&row, "password_lifetime").parse().ok(),
        attributes: None,
    };
    if server.version.contains("MariaDB") {
        // What newer MariaDB keeps is one JSON text.
        let sql = format!(
            "SELECT priv FROM mysql.global_priv WHERE user = {} AND host = {}",
            quote(user),
            quote(host)
        );
        if let (false, Ok(answer)) = (fresh, server.query(&sql)) {
            let column = answer.column();
            let text = column.first().map_or("{}", String::as_str);
            let kept: Value = serde_json::from_str(text).unwrap_or_default();
            options.locked = kept["account_locked"] == true;
            options.lifetime = kept["password_lifetime"].as_i64().filter(|days| *days >= 0);
            options.expired |= kept["password_last_changed"] == 0;
        }
        return Ok(options);
    }
    let kept: Value = serde_json::from_str(&text(&row, "user_attributes")).unwrap_or_default();
    options.attributes = Some(kept["metadata"].as_object().cloned().unwrap_or_default());
    Ok(options)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hash() {
        assert_eq!(
            super::native("password"),
            "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
        );
    }
}
