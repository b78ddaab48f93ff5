//! What a daemon answers whoever asks: is it there, is it well, how much of what.

use super::{Board, Known, ground::Clock, metrics};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use std::{io, net::IpAddr, sync::Arc};
use tokio::net::TcpListener;

/// Writes down what is known at an instant.
type Writer = Box<dyn Fn(&Known, Timestamp) -> String + Send + Sync>;

/// A page on what is known, and the same for programs.
pub struct Page {
    /// The page.
    pub html: Writer,
    /// What its reader's browser is to obey: a Content-Security-Policy.
    pub policy: String,
    /// The same as JSON.
    pub json: Writer,
}

/// Answers until it is dropped.
///
/// # Errors
/// When it cannot be listened any more.
pub(super) async fn serve(
    listener: TcpListener,
    board: Arc<Board>,
    page: Option<Page>,
    clock: Clock,
) -> io::Result<()> {
    let routes = Router::new()
        // That there is an answer is the answer.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(board.clone());
    let routes = match page {
        Some(page) => routes.merge(paged(page, board, clock)),
        None => routes,
    };
    let routes = match listener.local_addr()?.ip().is_loopback() {
        true => routes.layer(middleware::from_fn(by_own_name)),
        false => routes,
    };
    axum::serve(listener, routes).await
}

/// Somebody else's page can give its own name the address of loopback, and have the browser of whoever reads it ask here. It asks by
/// that name.
async fn by_own_name(request: Request, next: Next) -> Response {
    // No browser leaves it out.
    match request.headers().get(header::HOST) {
        Some(host) if !host.to_str().is_ok_and(is_loopback) => {
            let said = "this is to be asked for by localhost or an address of loopback, and not by another name: a proxy before it has \
                        to send `Host: localhost`\n";
            (StatusCode::MISDIRECTED_REQUEST, said).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Is a host, perhaps with a port, this one, whatever a name server says?
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

/// Both are of now, and for nobody else's page.
fn paged(page: Page, board: Arc<Board>, clock: Clock) -> Router {
    let page = Arc::new(page);
    let answer = move |kind: &'static str, of: fn(&Page) -> &Writer| {
        let (page, board, clock) = (page.clone(), board.clone(), clock.clone());
        get(async move || {
            let headers = [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::CONTENT_SECURITY_POLICY, page.policy.clone()),
                (header::CACHE_CONTROL, "no-store".to_owned()),
                (header::REFERRER_POLICY, "no-referrer".to_owned()),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
                (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin".to_owned()),
            ];
            (headers, of(&page)(&board.known(), clock()))
        })
    };
    Router::new()
        .route("/", answer("text/html; charset=utf-8", |page| &page.html))
        .route("/api/v1/status", answer("application/json", |page| &page.json))
}

/// Can what is due be begun? Else what is in the way, a line for each thing.
async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let known = board.known();
    let mut lines: Vec<String> = Vec::new();
    if known.ending {
        lines.push("the daemon is ending".to_owned());
    }
    for (name, standing) in &known.schedules {
        if let Some(why) = &standing.trouble {
            lines.push(format!("{name}: {why}"));
        }
    }
    let ready = lines.is_empty();
    // The one before is in force: that is told, and keeps nothing from being begun.
    if let Some(wrong) = &known.configuration {
        lines.push(format!("the configuration as it is now cannot be used: {}", wrong.why));
    }
    if ready {
        lines.insert(0, "ready".to_owned());
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, lines.join("\n") + "\n")
}

async fn scrape(State(board): State<Arc<Board>>) -> impl IntoResponse {
    match metrics::text(&board.known()) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, metrics::TYPE)], text),
        Err(e) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            format!("the metrics cannot be written: {e}\n"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_what_no_name_server_says() {
        for host in
            ["localhost", "LocalHost:9797", "127.0.0.1", "127.0.0.1:80", "127.8.0.1:1", "[::1]", "[::1]:9797"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "lifeboat.example",
            "localhost.example:9797",
            "example:localhost",
            "127.0.0.1.example",
            "192.0.2.1:9797",
            "0.0.0.0",
            "[::]:1",
            "[::1",
            "localhost:x",
            "localhost:80:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
