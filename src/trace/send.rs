//! Sending a trace: a few tries within a few seconds, and then it is lost.

use super::settings::{PATIENCE, Settings};
use crate::notify::{Call, NoReply, Reply, call};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long to wait before each further try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// Sends a trace, and says why nobody took it.
pub(super) async fn send(settings: &Settings, request: ExportTraceServiceRequest) -> Result<(), String> {
    let (body, kind) = settings.format.written(&request);
    let key = format!("{:032x}", rand::random::<u128>());
    let asked = Call { method: "POST".to_owned(), key, body: Some((body.into(), kind)), event: None };
    let mut why = None;
    let tried = async {
        let mut pauses = PAUSES.into_iter();
        loop {
            let went = match call(&settings.channel, &asked).await {
                Ok(reply) => judge(settings, &reply),
                Err(no_reply) => Err((no_reply.to_string(), true)),
            };
            let Err((said, again)) = went else { return Ok(()) };
            let pause = pauses.next().filter(|_| again);
            let Some(pause) = pause else { return Err(said) };
            why = Some(said);
            sleep(pause).await;
        }
    };
    let went = timeout(PATIENCE, tried).await;
    let late = || NoReply::Lost(format!("none came within {} s", PATIENCE.as_secs())).to_string();
    went.unwrap_or_else(|_| Err(why.unwrap_or_else(late)))
}

/// What an answer means: why the trace was not taken, and whether another try may help.
fn judge(settings: &Settings, reply: &Reply) -> Result<(), (String, bool)> {
    match reply.status {
        200..=299 => match settings.format.left(&reply.body) {
            Some(0) => Ok(()),
            Some(left) => Err((format!("{left} of its spans were refused"), false)),
            None => Err((
                "what was answered is not of OTLP; is the address that of a collector?".to_owned(),
                false,
            )),
        },
        status @ 300..=399 => {
            Err((format!("the answer was {status}, which leads elsewhere, and that is not followed"), false))
        }
        status => Err((format!("the answer was {status}"), matches!(status, 429 | 502..=504))),
    }
}
