//! What can go wrong with one request, told apart by what is to be done about it.

use super::KubeError;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use std::{error::Error as StdError, io, time::Duration};

/// Why one request failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The server answered with an error.
    Status { code: u16, reason: String, message: String, retry_after: Option<Duration> },
    /// The body is larger than the reader can hold.
    TooLarge { limit: usize },
    /// Nothing came for so long.
    Stalled { after: Duration },
    /// The connection could not be made, or broke.
    Network(String),
    /// The connection could not be made in time.
    Unanswered(String),
    /// TLS does not trust the other side.
    Certificate(String),
    /// The credentials could not be had.
    Credentials(String),
    /// The body is not what the API says.
    Malformed(String),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StatusBody {
    message: String,
    reason: String,
    details: Option<StatusDetails>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct StatusDetails {
    retry_after_seconds: u64,
}

impl Failure {
    /// The error answer of a server, or of whatever stands before it.
    pub(super) fn from_answer(code: StatusCode, headers: &HeaderMap, body: &Bytes) -> Self {
        let status: Option<StatusBody> = serde_json::from_slice(body).ok();
        let seconds = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .or_else(|| status.as_ref()?.details.as_ref().map(|details| details.retry_after_seconds))
            .filter(|seconds| *seconds > 0);
        let (message, reason) = match status {
            Some(status) if !status.message.is_empty() => (status.message, status.reason),
            // A proxy's page, or a plain line: what it says is the best there is.
            _ => (String::from_utf8_lossy(body).into_owned(), String::new()),
        };
        let message = match one_line(&message) {
            message if message.is_empty() => code.canonical_reason().unwrap_or("no reason given").to_owned(),
            message => message,
        };
        let retry_after = seconds.map(Duration::from_secs);
        Failure::Status { code: code.as_u16(), reason, message, retry_after }
    }

    /// An error of the client or of the connection under it.
    pub(super) fn from_client(error: &(dyn StdError + 'static)) -> Self {
        let mut next = Some(error);
        let mut last = error;
        while let Some(error) = next {
            if let Some(auth) = error.downcast_ref::<kube::client::AuthError>() {
                return Failure::Credentials(credentials(auth));
            }
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Failure::Certificate(one_line(&tls.to_string()));
            }
            last = error;
            // An I/O error keeps what it wraps from `source()`, and some are wrapped twice.
            next = match error.downcast_ref::<io::Error>() {
                Some(io) if io.kind() == io::ErrorKind::TimedOut => {
                    return Failure::Unanswered("it did not answer in time".to_owned());
                }
                Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
                None => error.source(),
            };
        }
        Failure::Network(one_line(&last.to_string()))
    }

    /// A document that could not be parsed. The parser quotes what it found, which may be anybody's secret: only the
    /// place and the sort of the mistake are kept.
    pub(super) fn from_json(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        let sort = match error.classify() {
            Category::Eof => "it ends too early",
            Category::Data => "a field has an unexpected type or is missing",
            Category::Syntax | Category::Io => "it is not JSON",
        };
        Failure::Malformed(format!("{sort} (line {}, column {})", error.line(), error.column()))
    }

    /// How often a request that failed so is tried in all.
    pub(super) fn tries(&self) -> u32 {
        match self {
            Failure::Status { code: 429, .. } => 10,
            Failure::Status { code: 503, retry_after: Some(_), .. } => 10,
            // A conversion webhook that is gone answers so, and will again.
            Failure::Status { code: 500, .. } => 2,
            Failure::Status { code: 502..=504, .. } => 3,
            Failure::Network(_) => 6,
            Failure::Stalled { .. } | Failure::Unanswered(_) => 2,
            _ => 1,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Failure::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The revision, or the continue token made from it, is compacted.
    pub(super) fn is_gone(&self) -> bool {
        self.code() == Some(410)
    }

    /// The type's server cannot list at a revision that another server named.
    pub(super) fn refuses_revision(&self) -> bool {
        match self {
            Failure::Status { code: 400 | 422, .. } => true,
            Failure::Status { code: 504, message, .. } => message.contains("Too large resource version"),
            _ => false,
        }
    }

    /// Is it the connection that failed, rather than the server answering that it cannot?
    pub(super) fn is_connection(&self) -> bool {
        matches!(
            self,
            Failure::Network(_) | Failure::Unanswered(_) | Failure::Stalled { .. } | Failure::Certificate(_)
        )
    }

    /// In one line, for the manifest.
    pub(super) fn text(&self) -> String {
        match self {
            Failure::Status { code, message, .. } => format!("{code}: {message}"),
            Failure::TooLarge { limit } => format!("one object's page is larger than {} MiB", limit >> 20),
            Failure::Stalled { after } => format!("nothing came for {} s", after.as_secs()),
            Failure::Network(text) | Failure::Unanswered(text) => format!("the connection failed: {text}"),
            Failure::Certificate(text) => format!("TLS: {text}"),
            Failure::Credentials(text) => format!("no credentials: {text}"),
            Failure::Malformed(text) => format!("the answer cannot be read: {text}"),
        }
    }

    /// As an error that ends the whole.
    pub(super) fn into_error(self, server: &str, what: &str) -> KubeError {
        let (server, what) = (server.to_owned(), what.to_owned());
        match self {
            Failure::Status { code: 401, .. } => KubeError::Unauthorized { server },
            Failure::Status { code, message, .. } => {
                KubeError::Refused { server, what, code, reason: message }
            }
            Failure::Stalled { after } => KubeError::Stalled { server, what, seconds: after.as_secs() },
            Failure::Network(reason) | Failure::Unanswered(reason) => {
                KubeError::Unreachable { server, reason }
            }
            Failure::Certificate(reason) => KubeError::Certificate { server, reason },
            Failure::Credentials(reason) => KubeError::Credentials { server, reason },
            Failure::TooLarge { .. } | Failure::Malformed(_) => {
                KubeError::BadAnswer { server, what, reason: self.text() }
            }
        }
    }
}

/// What a credential failure says, without what a plugin printed: its output holds the credentials.
pub(super) fn credentials(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError;
    match error {
        // The command line may hold secrets, too.
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
            format!("the kubeconfig's credential plugin failed ({}); it said: {}", out.status, one_line(said))
        }
        AuthError::AuthExecParse(_) => "the plugin's output is not an ExecCredential".to_owned(),
        AuthError::AuthExecStart(error) => format!("the plugin cannot be started: {error}; is it installed?"),
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            "the token or password has characters that a header cannot carry".to_owned()
        }
        other => one_line(&other.to_string()),
    }
}

/// Whatever was said, as one line that fits a report.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > LONGEST {
            line.push_str(" …");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|char| !char.is_control()));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, retry: Option<&'static str>, body: &'static str) -> Failure {
        let mut headers = HeaderMap::new();
        if let Some(retry) = retry {
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
        }
        Failure::from_answer(
            StatusCode::from_u16(code).unwrap(),
            &headers,
            &Bytes::from_static(body.as_bytes()),
        )
    }

    #[test]
    fn the_servers_own_words_are_kept() {
        let failure =
            answer(403, None, r#"{"kind":"Status","message":"secrets is forbidden","reason":"Forbidden"}"#);
        assert_eq!(failure.text(), "403: secrets is forbidden");
        assert_eq!(failure.tries(), 1);
        assert_eq!(answer(502, None, "<html>\n bad  gateway").text(), "502: <html> bad gateway");
        assert_eq!(answer(404, None, "").text(), "404: Not Found");
    }

    #[test]
    fn patience_is_taken_from_header_or_body() {
        assert_eq!(answer(429, Some("7"), "").retry_after(), Some(Duration::from_secs(7)));
        let body =
            r#"{"message":"Too large resource version: 9, current: 3","details":{"retryAfterSeconds":1}}"#;
        let failure = answer(504, None, body);
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(1)));
        assert!(failure.refuses_revision());
        assert_eq!(answer(429, Some("soon"), "").retry_after(), None);
    }

    #[test]
    fn a_tls_error_is_found_inside_an_io_error() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = io::Error::new(io::ErrorKind::InvalidData, tls);
        assert!(
            matches!(Failure::from_client(&error), Failure::Certificate(text) if text.contains("UnknownIssuer"))
        );
        let twice = io::Error::other(error);
        assert!(matches!(Failure::from_client(&twice), Failure::Certificate(_)));
        let slow = io::Error::from(io::ErrorKind::TimedOut);
        assert!(matches!(Failure::from_client(&slow), Failure::Unanswered(_)));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(Failure::from_client(&refused), Failure::Network(_)));
    }

    #[test]
    fn long_answers_are_cut() {
        assert!(one_line(&"word ".repeat(1000)).len() < 320);
        assert_eq!(one_line("a\u{1b}[31m\n b"), "a[31m b");
    }
}
