use super::*;
use crate::{
    catalogue::{History, Level, Survey},
    pipeline::generate_signing_key,
    point::{Key, Tag, VerifiedDepth},
    store::{FileStore, Store, body},
};
use sha2::{Digest as _, Sha256};
use std::{fs, sync::Arc};

struct Lab {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    signer: Signer,
    catalogue: Catalogue,
}

const POINT: &str = "20231123T084500Z-k3f9";

fn point() -> PointId {
    POINT.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("2023-11-23T{text}Z").parse().unwrap()
}

async fn lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(FileStore::new(dir.path().to_owned(), "file:///s"));
    let (secret, _) = generate_signing_key().unwrap();
    let signer = Signer::new(&secret, None).unwrap();
    let catalogue = Catalogue::new(store.clone(), "c", Some(signer.verifier().unwrap()));
    store.put(&Key::manifest("c", &point()).unwrap(), body("{}")).await.unwrap();
    Lab { dir, store, signer, catalogue }
}

impl Lab {
    fn author(&self) -> Author<'_> {
        Author { by: "ops@cp1", signer: Some(&self.signer) }
    }

    fn files(&self, family: &str) -> Vec<std::path::PathBuf> {
        let dir = self.dir.path().join("c").join(family).join(POINT);
        let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files
    }

    async fn held(&self) -> Option<String> {
        self.catalogue.standing(&point()).await.unwrap().held.map(|held| held.reason)
    }
}

#[tokio::test]
async fn a_hold_and_its_release() {
    let lab = lab().await;
    assert_eq!(lab.catalogue.standing(&point()).await.unwrap(), Standing::default());
    assert!(lab.catalogue.standings().await.unwrap().is_empty());
    // The first machine's clock is an hour ahead.
    lab.catalogue.hold(&point(), "audit 2026-117", lab.author(), at("10:00:00")).await.unwrap();
    assert_eq!(lab.held().await.as_deref(), Some("audit 2026-117"));
    assert_eq!(
        lab.catalogue.standings().await.unwrap()[&point()].held.as_ref().unwrap().by.as_deref(),
        Some("ops@cp1")
    );
    let unsigned = Author { by: "x", signer: None };
    let refused = lab.catalogue.release(&point(), "over", unsigned, at("09:00:00")).await.unwrap_err();
    assert!(matches!(refused, CatalogueError::Unsigned { .. }), "{refused}");
    let stranger = Signer::new(&generate_signing_key().unwrap().0, None).unwrap();
    let other = Author { by: "x", signer: Some(&stranger) };
    let refused = lab.catalogue.release(&point(), "over", other, at("09:00:00")).await.unwrap_err();
    assert!(matches!(refused, CatalogueError::OtherKey), "{refused}");
    assert_eq!(lab.files("holds").len(), 2);
    let done = lab.catalogue.release(&point(), "over", lab.author(), at("09:00:00")).await.unwrap();
    assert!(done.held.is_none() && done.record.is_some());
    assert_eq!(lab.held().await, None);
    // Nothing is left to release, and nothing is written.
    assert!(
        lab.catalogue.release(&point(), "over", lab.author(), at("09:00:01")).await.unwrap().record.is_none()
    );
    assert_eq!(lab.files("holds").len(), 4);
    for reason in ["", "  ", "a\nb", &"x".repeat(1001)] {
        assert!(
            lab.catalogue.hold(&point(), reason, lab.author(), at("10:00:00")).await.is_err(),
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn what_is_unsigned_damaged_or_moved_holds() {
    let lab = lab().await;
    let unsigned = Author { by: "x", signer: None };
    lab.catalogue.hold(&point(), "in a hurry", unsigned, at("10:00:00")).await.unwrap();
    let said = lab.held().await.unwrap();
    assert!(said.starts_with("in a hurry (") && said.contains("its signature is missing"), "{said}");
    lab.catalogue.release(&point(), "over", lab.author(), at("10:00:01")).await.unwrap();
    assert_eq!(lab.held().await, None);
    lab.catalogue.hold(&point(), "audit", lab.author(), at("10:00:02")).await.unwrap();
    lab.catalogue.release(&point(), "over", lab.author(), at("10:00:03")).await.unwrap();
    // The record of another recovery point, signed and all, says nothing of this one.
    let other: PointId = "20231123T090000Z-aaaa".parse().unwrap();
    let moved = lab.dir.path().join("c/holds").join(other.as_str());
    fs::create_dir_all(&moved).unwrap();
    for file in lab.files("holds") {
        fs::copy(&file, moved.join(file.file_name().unwrap())).unwrap();
    }
    let held = lab.catalogue.standing(&other).await.unwrap();
    assert_eq!(held.held.as_ref().unwrap().records.len(), 4, "{held:?}");
    assert!(held.doubts.iter().any(|d| d.why.contains("another recovery point or record")), "{held:?}");
    // A release that loses a byte does not release any more.
    let newest =
        lab.files("holds").into_iter().rfind(|f| f.extension().is_some_and(|e| e == "json")).unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes[40] ^= 1;
    fs::write(&newest, bytes).unwrap();
    assert_eq!(lab.held().await.as_deref(), Some("audit"));
}

#[tokio::test]
async fn a_signature_whose_record_was_never_written_says_nothing() {
    let lab = lab().await;
    lab.catalogue.hold(&point(), "audit", lab.author(), at("10:00:00")).await.unwrap();
    // What one leaves who is killed between the two, and what somebody else put there.
    let record = lab.files("holds").into_iter().find(|f| f.extension().is_some_and(|e| e == "json")).unwrap();
    fs::write(record.with_file_name("notes.json"), "{}").unwrap();
    fs::remove_file(record).unwrap();
    assert_eq!(lab.catalogue.standing(&point()).await.unwrap(), Standing::default());
    assert!(lab.catalogue.standings().await.unwrap().is_empty());
}

#[tokio::test]
async fn later_tags_win_whatever_the_clock_says() {
    let lab = lab().await;
    let facts = |add: &[&str], remove: &[&str]| {
        let set = |tags: &[&str]| tags.iter().map(|t| t.parse::<Tag>().unwrap()).collect();
        TagFacts { add: set(add), remove: set(remove) }
    };
    lab.catalogue.tag(&point(), facts(&["keep", "a=1"], &[]), lab.author(), at("10:00:00")).await.unwrap();
    let now =
        lab.catalogue.tag(&point(), facts(&["b"], &["keep"]), lab.author(), at("09:00:00")).await.unwrap();
    assert_eq!(now.tags.into_iter().collect::<Vec<_>>(), ["a=1", "b"]);
    let unsigned = Author { by: "x", signer: None };
    assert!(lab.catalogue.tag(&point(), facts(&["c"], &[]), unsigned, at("10:00:00")).await.is_err());
    let open = Catalogue::new(lab.store.clone(), "c", None);
    open.tag(&point(), facts(&["c"], &[]), unsigned, at("11:00:00")).await.unwrap();
    let standing = lab.catalogue.standing(&point()).await.unwrap();
    assert!(!standing.tags.contains("c") && standing.doubts.len() == 1, "{standing:?}");
}

#[tokio::test]
async fn of_many_verifications_the_newest_count() {
    let lab = lab().await;
    let verify = async |level, ended| {
        let mut verdict = Verdict::new(point(), VerifiedDepth::Stored);
        verdict.manifest_sha256 = Some(Sha256::digest("{}").into());
        verdict.add(level, "x", "y");
        lab.catalogue
            .record_verification(&verdict, at("08:00:00"), ended, lab.author())
            .await
            .unwrap()
            .unwrap()
    };
    verify(Level::Ok, at("10:00:00")).await;
    // Two within one second: the ids do not tell which was first.
    for millisecond in [900, 100, 500] {
        verify(Level::Error, at(&format!("10:00:01.{millisecond}"))).await;
    }
    let last = lab.catalogue.standing(&point()).await.unwrap().verified.unwrap();
    assert_eq!((last.at, last.passed), (at("10:00:01.9"), false));
    assert_eq!(last.last_passed.unwrap().at, at("10:00:00"));
    verify(Level::Warning, at("10:00:02")).await;
    let Survey { points: listed, standings, .. } = lab.catalogue.survey(History::Newest).await.unwrap();
    assert!(listed.len() == 1 && standings[&point()].verified.as_ref().unwrap().passed);
    // It was about that manifest, and not about another one.
    fs::write(lab.dir.path().join("c/points").join(POINT).join("manifest.json"), "{ }").unwrap();
    let standing = lab.catalogue.standing(&point()).await.unwrap();
    assert!(
        standing.verified.is_none() && standing.doubts[0].why.contains("another manifest"),
        "{standing:?}"
    );
    let nothing = Verdict::new(point(), VerifiedDepth::Stored);
    let none =
        lab.catalogue.record_verification(&nothing, at("08:00:00"), at("10:00:00"), lab.author()).await;
    assert!(none.unwrap().is_none());
}

#[tokio::test]
async fn everything_can_run_on_any_thread() {
    fn may_move<T: Send>(_: T) {}
    let lab = lab().await;
    let (catalogue, author, now) = (&lab.catalogue, lab.author(), at("10:00:00"));
    let id = &point();
    may_move((
        catalogue.standings(),
        catalogue.survey(History::Whole),
        catalogue.standing(id),
        catalogue.records(id),
    ));
    may_move((catalogue.hold(id, "x", author, now), catalogue.release(id, "x", author, now)));
    may_move(catalogue.tag(
        id,
        TagFacts { add: Default::default(), remove: Default::default() },
        author,
        now,
    ));
    may_move((
        crate::catalogue::carry(catalogue, catalogue, &[]),
        crate::catalogue::copy(catalogue, catalogue, id),
    ));
    may_move(crate::catalogue::verify(catalogue, id, &crate::catalogue::Depth::Stored));
    let verdict = Verdict::new(point(), VerifiedDepth::Stored);
    may_move(catalogue.record_verification(&verdict, now, now, author));
}
