//! A store in S3 when things go wrong between it and us: what was said to be stored is there, and nothing else is.

use crate::{
    lab::{self, LabDir, S3, s3},
    s3_front::{Fate, Request, S3Front},
};
use anyhow::Result;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lifeboat::{
    point::Key,
    store::{
        Body, S3Store, Store, StoreError, read_all,
        s3::{S3Credentials, S3Options},
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{io, time::Duration};

/// Bytes of an object in three parts.
const LARGE: usize = 13 << 20;

fn key() -> Key {
    Key::new("lab/points/x/payload").unwrap()
}

fn random(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    StdRng::seed_from_u64(7).fill(&mut out[..]);
    out
}

fn chunks(bytes: &[u8]) -> Body {
    let pieces: Vec<io::Result<Bytes>> =
        bytes.chunks(1 << 20).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    Box::pin(stream::iter(pieces))
}

async fn store(endpoint: &str, change: impl FnOnce(&mut S3Options)) -> S3Store {
    let mut options = S3Options::new("bucket", Some(Key::new("some/prefix").unwrap()));
    options.endpoint = Some(endpoint.to_owned());
    options.region = Some(s3::REGION.to_owned());
    options.part_bytes = 5 << 20;
    options.credentials = Some(S3Credentials {
        access_key_id: s3::ACCESS_KEY.into(),
        secret_access_key: s3::SECRET_KEY.to_owned().into(),
        session_token: None,
    });
    change(&mut options);
    S3Store::new(options, "s3://bucket/some/prefix").await.unwrap()
}

/// A server with an empty bucket `bucket`.
async fn server(dir: &LabDir) -> Result<S3> {
    let server = S3::start(dir.path(), &dir.path().join("root"), lab::S3Options::default()).await?;
    server.bucket("bucket", false).await?;
    Ok(server)
}

/// Uploads that were begun and neither completed nor aborted.
async fn underway(server: &S3) -> usize {
    let uploads = server.client().list_multipart_uploads().bucket("bucket").send().await.unwrap();
    uploads.uploads().len()
}

async fn objects(server: &S3) -> usize {
    let list = server.client().list_objects_v2().bucket("bucket").send().await.unwrap();
    list.contents().len()
}

/// The first `times` requests of `operation` meet `fate`.
fn first(
    operation: &'static str,
    times: usize,
    fate: Fate,
) -> impl Fn(&Request, usize) -> Fate + Send + Sync {
    move |request, before| if request.is(operation) && before < times { fate.clone() } else { Fate::Pass }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_once_or_twice_is_done_again() -> Result<()> {
    let dir = LabDir::new()?;
    let server = server(&dir).await?;
    let (small, large) = (random(100_000), random(LARGE));
    let uploads = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];
    let fates = [
        Fate::CutRequest(1000),
        Fate::LoseAnswer,
        Fate::Refuse(500, "InternalError"),
        Fate::Refuse(503, "SlowDown"),
    ];
    let operations = uploads.iter().map(|operation| (*operation, &large));
    for (operation, bytes) in operations.chain([("PutObject", &small), ("HeadObject", &small)]) {
        for fate in &fates {
            let front = S3Front::start(&server.endpoint(), first(operation, 2, fate.clone())).await?;
            let store = store(&front.endpoint(), |_| ()).await;
            let put = store.put(&key(), chunks(bytes)).await;
            let stored = put.unwrap_or_else(|e| panic!("{operation} {fate:?}: {e}"));
            assert_eq!(stored.bytes, bytes.len() as u64);
            assert!(stored.confirmed.as_ref().is_some_and(|c| c.contains("SHA-256")), "{stored:?}");
            assert!(front.count(operation) >= 3, "{operation} {fate:?} was not met");
            assert!(read_all(&store, &key(), u64::MAX).await? == *bytes, "{operation} {fate:?}");
            store.delete(&key()).await?;
            // An answer that was lost can leave a second upload of which nobody knows the name.
            if !matches!((operation, fate), ("CreateMultipartUpload", Fate::LoseAnswer)) {
                assert_eq!(underway(&server).await, 0, "{operation} {fate:?}");
            }
            for upload in server.client().list_multipart_uploads().bucket("bucket").send().await?.uploads() {
                let (name, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
                server
                    .client()
                    .abort_multipart_upload()
                    .bucket("bucket")
                    .key(name)
                    .upload_id(id)
                    .send()
                    .await?;
            }
        }
    }
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_failing_leaves_nothing() -> Result<()> {
    let dir = LabDir::new()?;
    let server = server(&dir).await?;
    let large = random(LARGE);
    for (operation, status, code, words) in [
        ("CreateMultipartUpload", 403, "AccessDenied", "may not do that"),
        ("UploadPart", 403, "ExpiredToken", "the credentials have expired"),
        ("UploadPart", 403, "RequestTimeTooSkewed", "the clocks of this machine"),
        ("UploadPart", 503, "SlowDown", "throttles"),
        ("CompleteMultipartUpload", 400, "InvalidPart", "InvalidPart (by the test)"),
        ("CompleteMultipartUpload", 412, "PreconditionFailed", "exists already"),
    ] {
        let rule = first(operation, usize::MAX, Fate::Refuse(status, code));
        let front = S3Front::start(&server.endpoint(), rule).await?;
        let error = store(&front.endpoint(), |_| ()).await.put(&key(), chunks(&large)).await.unwrap_err();
        assert!(error.to_string().contains(words), "{operation} {code}: {error}");
        assert!(!format!("{error:?}").contains(s3::SECRET_KEY), "{error:?}");
        assert_eq!((underway(&server).await, objects(&server).await), (0, 0), "{operation} {code}");
    }
    // The body itself ends too early: in the middle of a part, and behind one.
    for length in [100_000, 7 << 20] {
        let broken = chunks(&large[..length]).chain(stream::iter([Err(io::Error::other("etcd went away"))]));
        let error = store(&server.endpoint(), |_| ()).await.put(&key(), Box::pin(broken)).await.unwrap_err();
        assert!(matches!(error, StoreError::Body(_)), "{error:?}");
        assert_eq!((underway(&server).await, objects(&server).await), (0, 0), "{length}");
    }
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_on_where_it_broke_and_never_mixes_two_objects() -> Result<()> {
    let dir = LabDir::new()?;
    let server = server(&dir).await?;
    let large = random(LARGE);
    let direct = store(&server.endpoint(), |_| ()).await;
    direct.put(&key(), chunks(&large)).await?;
    let front = S3Front::start(&server.endpoint(), first("GetObject", 4, Fate::CutAnswer(3_000_001))).await?;
    let through = store(&front.endpoint(), |_| ()).await;
    assert!(read_all(&through, &key(), u64::MAX).await? == large);
    assert!(front.count("GetObject") >= 4);
    for (range, want) in
        [(5..9, &large[5..9]), (0..0, &[]), (LARGE as u64 - 2..u64::MAX, &large[LARGE - 2..])]
    {
        let object = direct.get(&key(), Some(range.clone())).await?;
        let parts: Vec<_> = object.body.map(|c| c.unwrap()).collect().await;
        assert!(object.bytes == LARGE as u64 && parts.concat() == want, "{range:?}");
    }
    // Somebody replaces it while it is being read.
    let front = S3Front::start(&server.endpoint(), first("GetObject", 1, Fate::CutAnswer(3_000_001))).await?;
    let mut reading = store(&front.endpoint(), |_| ()).await.get(&key(), None).await?.body;
    reading.next().await.unwrap()?;
    let name = "some/prefix/lab/points/x/payload";
    let other = ByteStream::from(random(LARGE).into_iter().rev().collect::<Vec<u8>>());
    server.client().put_object().bucket("bucket").key(name).body(other).send().await?;
    let mut last = Ok(Bytes::new());
    while let Some(chunk) = reading.next().await {
        last = chunk;
    }
    assert!(last.unwrap_err().to_string().contains("replaced or deleted while it was read"));
    let missing = direct.get(&Key::new("lab/none")?, None).await.err().unwrap();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing:?}");
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_overwritten_by_whoever_comes_second() -> Result<()> {
    let dir = LabDir::new()?;
    let server = server(&dir).await?;
    for (bytes, conditional) in [(100_000, true), (LARGE, true), (100_000, false)] {
        let store = store(&server.endpoint(), |o| o.conditional_create = conditional).await;
        let data = random(bytes);
        store.put(&key(), chunks(&data)).await?;
        let again = store.put(&key(), chunks(&data[1..])).await.unwrap_err();
        assert!(matches!(again, StoreError::Exists { .. }), "{again:?}");
        assert!(read_all(&store, &key(), u64::MAX).await? == data);
        store.delete(&key()).await?;
        assert_eq!(store.head(&key()).await?, None);
    }
    // At the same time, in parts: one wins, and the others know that they did not.
    let store = store(&server.endpoint(), |_| ()).await;
    let large = random(LARGE);
    let race = Key::new("lab/race")?;
    let writers = (0..4usize).map(|i| store.put(&race, chunks(&large[i..])));
    let results = futures_util::future::join_all(writers).await;
    let winner: Vec<usize> = (0..4).filter(|i| results[*i].is_ok()).collect();
    assert_eq!(winner.len(), 1, "{results:?}");
    assert!(read_all(&store, &race, u64::MAX).await? == large[winner[0]..]);
    assert_eq!(underway(&server).await, 0);
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_stands_still_or_is_not_there_is_given_up() -> Result<()> {
    let dir = LabDir::new()?;
    let server = server(&dir).await?;
    let nowhere = store("http://127.0.0.1:1", |_| ()).await;
    let error = nowhere.put(&key(), chunks(b"x")).await.unwrap_err().to_string();
    assert!(error.contains("s3://bucket/some/prefix") && error.contains("can it be reached"), "{error}");
    let wrong = store(&server.endpoint(), |o| o.bucket = "nowhere".into()).await;
    let error = wrong.put(&key(), chunks(b"x")).await.unwrap_err().to_string();
    assert!(error.contains("there is no bucket `nowhere`"), "{error}");
    let stranger = store(&server.endpoint(), |o| {
        let keys = o.credentials.as_mut().unwrap();
        keys.secret_access_key = "not-this-one".to_owned().into();
    })
    .await;
    let error = stranger.list(&Key::new("lab")?).await.unwrap_err().to_string();
    assert!(error.contains("secret access key is not the one"), "{error}");
    let unknown =
        store(&server.endpoint(), |o| o.credentials.as_mut().unwrap().access_key_id = "who".into()).await;
    let error = unknown.list(&Key::new("lab")?).await.unwrap_err().to_string();
    assert!(error.contains("does not know this access key"), "{error}");
    // The first try of a part stands still; the next ones do not.
    let front = S3Front::start(&server.endpoint(), first("UploadPart", 1, Fate::Stall)).await?;
    let store = store(&front.endpoint(), |o| o.timeout = Duration::from_secs(4)).await;
    let large = random(LARGE);
    let put = tokio::time::timeout(Duration::from_secs(60), store.put(&key(), chunks(&large))).await?;
    assert_eq!(put?.bytes, LARGE as u64);
    assert!(read_all(&store, &key(), u64::MAX).await? == large);
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_are_longer_than_a_page() -> Result<()> {
    let dir = LabDir::new()?;
    let server = server(&dir).await?;
    let store = store(&server.endpoint(), |_| ()).await;
    let names: Vec<Key> = (0..2_300).map(|i| Key::new(format!("lab/points/p{i:05}/x")).unwrap()).collect();
    let puts = names.iter().map(|name| async { store.put(name, chunks(b"x")).await });
    let puts: Vec<_> = stream::iter(puts).buffer_unordered(16).collect().await;
    assert!(puts.iter().all(Result::is_ok));
    let client = server.client();
    client
        .put_object()
        .bucket("bucket")
        .key("elsewhere/points/y/x")
        .body(ByteStream::from_static(b"y"))
        .send()
        .await?;
    client
        .put_object()
        .bucket("bucket")
        .key("some/prefix/lab/not ours")
        .body(ByteStream::from_static(b"y"))
        .send()
        .await?;
    let listed: Vec<Key> = store.list(&Key::new("lab")?).await?.into_iter().map(|meta| meta.key).collect();
    assert_eq!(listed, names);
    let children = store.children(Some(&Key::new("lab/points")?)).await?;
    assert_eq!(children, (0..2_300).map(|i| format!("p{i:05}")).collect::<Vec<_>>());
    assert_eq!(store.children(None).await?, ["lab"]);
    dir.close(Ok(()))
}
