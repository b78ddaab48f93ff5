use super::{Checks, Context, Failure};
use crate::pipeline::Signer;

/// Recipients and the signing key.
pub(super) fn check(context: &Context, checks: &mut Checks) {
    let said = |f: Failure| f.error;
    checks.result("recipients", context.recipients().map_err(said), |r| {
        format!("{} that age accepts; their identities are not needed here", r.names().len())
    });
    checks.result("signing key", context.signer().map_err(said), |_: &Signer| {
        "it is readable and belongs to signing.publicKey".to_owned()
    });
}
