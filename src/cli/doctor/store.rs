use super::{Checks, Level};
use crate::cli::{context::Context, copy};
use crate::{
    point::Key,
    report,
    store::{self, Store, StoreError},
};

/// Writes an object, reads it, tries to overwrite it, and removes it.
pub(super) async fn check(store: &dyn Store, cluster: &str, checks: &mut Checks) {
    let about = format!("store {}", store.url());
    let key = match Key::new(format!("{cluster}/doctor/{:08x}", rand::random::<u32>())) {
        Ok(key) => key,
        Err(e) => return checks.add(Level::Error, about, e.to_string()),
    };
    let probe = b"written by lifeboat doctor".to_vec();
    if checks
        .result(&about, store.put(&key, store::body(probe.clone())).await, |_| {
            "an object can be written".into()
        })
        .is_none()
    {
        return;
    }
    match store::read_all(store, &key, 1024).await {
        Ok(read) if read == probe => checks.add(Level::Ok, &about, "it reads back as it was written"),
        Ok(_) => checks.add(Level::Error, &about, "it reads back changed: do not trust this store"),
        Err(e) => checks.add(Level::Error, &about, e.to_string()),
    }
    match store.put(&key, store::body(b"again".to_vec())).await {
        Err(StoreError::Exists { .. }) => {
            checks.add(Level::Ok, &about, "an object that exists is not overwritten")
        }
        Ok(_) => checks.add(
            Level::Error,
            &about,
            "an object that exists can be overwritten: a backup is not safe there",
        ),
        Err(e) => checks.add(Level::Error, &about, e.to_string()),
    }
    checks.result(&about, store.delete(&key).await, |()| "it can be removed".into());
    let promises = match store.promises().await {
        Ok(promises) => promises,
        Err(e) => return checks.add(Level::Error, &about, e.to_string()),
    };
    match promises.free_bytes {
        Some(free) if free < 1 << 30 => {
            checks.add(Level::Warning, &about, format!("only {} are free", report::bytes(free)));
        }
        Some(free) => checks.add(Level::Ok, &about, format!("{} are free", report::bytes(free))),
        None => {}
    }
    for remark in promises.remarks {
        checks.add(Level::Info, &about, remark);
    }
}

/// The same for the stores that are copied to, and what they lack.
pub(super) async fn copies(context: &Context, cluster: &str, checks: &mut Checks) {
    let names = match copy::copy_to(context) {
        Ok(names) => names,
        Err(e) => return checks.add(Level::Error, "copyTo", e.error.to_string()),
    };
    for name in names {
        let store = match context.configured(Some(&name)).await {
            Ok(store) => store,
            Err(e) => {
                checks.add(Level::Error, format!("store {name}"), e.error.to_string());
                continue;
            }
        };
        check(store.as_ref(), cluster, checks).await;
        let about = format!("store {}", store.url());
        match copy::debt(context, &name, store).await {
            Ok(0) => checks.add(Level::Ok, about, "it has a copy of every recovery point that it keeps"),
            Ok(owed) => {
                let message = format!(
                    "it lacks {owed} recovery points: the next backup copies them, or `lifeboat copy`"
                );
                checks.add(Level::Warning, about, message);
            }
            Err(e) => checks.add(Level::Warning, about, format!("what it lacks is not known: {}", e.error)),
        }
    }
}
