//! What a daemon answers whoever asks: is it there, is it well, how much of what.

use super::{Board, metrics};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use std::{io, sync::Arc};
use tokio::net::TcpListener;

/// Answers until it is dropped.
///
/// # Errors
/// When it cannot be listened any more.
pub(super) async fn serve(listener: TcpListener, board: Arc<Board>) -> io::Result<()> {
    let routes = Router::new()
        // That there is an answer is the answer.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(board);
    axum::serve(listener, routes).await
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
    if let Some(why) = &known.configuration {
        lines.push(format!("the configuration as it is now cannot be used: {why}"));
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
