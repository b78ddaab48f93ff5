//! The browser itself: does it see what the tests of pages rely on?

use super::{Browser, Medium, Scheme};
use crate::lab::{LabDir, eventually};
use anyhow::Result;
use serde_json::json;
use std::{fs, path::Path, time::Duration};

/// A page on which nothing is as it should be.
const BAD: &str = "<!DOCTYPE html><html><body style='margin:8px;background:#fff;color:#111'><main>\
    <p>fine</p>\
    <p style='color:#999'>faint</p>\
    <p style='font-size:9px'>tiny</p>\
    <p style='display:none'>hidden</p>\
    <p style='opacity:0'>ghost</p>\
    <p style='width:30px;overflow:hidden;white-space:nowrap'>a line that is cut</p>\
    <p style='width:40px;overflow-wrap:anywhere'>comparisons</p>\
    <p style='position:absolute;left:-30px'>aside</p>\
    <div style='height:20px'><p style='position:absolute;margin:0'>below it</p><p style='position:absolute;margin:0'>above it</p></div>\
    <div style='overflow-x:auto'><p style='width:3000px'>in a box that scrolls</p></div>\
    <p style='width:3000px;text-align:right'>wide</p>\
    <img src='http://192.0.2.1/spy.png' alt=''>\
    <script>console.error('told')</script></main></body></html>";

/// One that is well in daylight only.
const BY_DAY: &str = "<!DOCTYPE html><html><head><style>body{background:#fff;color:#111}\
    @media (prefers-color-scheme:dark){body{color:#bbb}}@media print{body{color:#eee}}</style></head><body><p>good</p></body></html>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_sees_what_is_wrong_with_a_page() -> Result<()> {
    let dir = LabDir::new()?;
    let browser = Browser::start(dir.path()).await?;
    let page = dir.path().join("page.html");
    fs::write(&page, BAD)?;
    browser.size(800, 600).await?;
    browser.open_file(&page).await?;
    let faults = browser.faults().await?.join("\n");
    for fault in [
        "the page is 3",
        "“faint” has a contrast of 2.85",
        "“tiny” is 9.0 pixels high",
        "“hidden” is not shown",
        "“ghost” is not shown",
        "“a line that is cut” is cut: by its <p>",
        "“aside” is cut: by the window",
        "the word “comparisons” is broken",
        "“below it” and “above it” lie on one another",
        "“wide” is cut: by the window",
    ] {
        assert!(faults.contains(fault), "{fault:?} is not in\n{faults}");
    }
    assert!(!faults.contains("fine") && !faults.contains("in a box that scrolls"), "{faults}");
    let wanted = ["fine", "wide", "hidden", "ghost", "below it", "nowhere"].map(str::to_owned);
    assert_eq!(browser.unseen(&wanted).await?, ["hidden", "ghost", "below it", "nowhere"]);
    let (console, requests) = (browser.console().await?.join("\n"), browser.requests().await?);
    assert!(console.contains("told") && console.contains("spy.png"), "{console}");
    assert_eq!(requests, [format!("file://{}", page.display()), "http://192.0.2.1/spy.png".to_owned()]);

    fs::write(&page, BY_DAY)?;
    browser.open_file(&page).await?;
    for (medium, scheme, faults) in [
        (Medium::Screen, Scheme::Light, 0),
        (Medium::Screen, Scheme::Dark, 1),
        (Medium::Print, Scheme::Light, 1),
    ] {
        browser.emulate(medium, scheme).await?;
        let found = browser.faults().await?;
        assert_eq!(found.len(), faults, "{medium:?}, {scheme:?}: {found:?}");
    }
    let (console, requests) = (browser.console().await?, browser.requests().await?);
    assert_eq!((console.len(), requests.len()), (0, 1), "{console:?} {requests:?}");
    browser.close().await?;
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_ends_however_its_driver_ends() -> Result<()> {
    let dir = LabDir::new()?;
    let browser = Browser::start(dir.path()).await?;
    browser.size(400, 300).await?;
    let (shot, pdf) = (dir.path().join("shot.png"), dir.path().join("page.pdf"));
    browser.open("data:text/html,<p style='height:2000px'>long").await?;
    browser.screenshot(&shot).await?;
    browser.pdf(&pdf).await?;
    let shot = fs::read(&shot)?;
    // Width and height of a PNG stand at its beginning.
    let side = |at: usize| u32::from_be_bytes(shot[at..at + 4].try_into().unwrap());
    assert_eq!((&shot[1..4], side(16)), (&b"PNG"[..], 400));
    assert!(side(20) > 2000 && fs::read(&pdf)?.starts_with(b"%PDF-"));
    assert!(running(dir.path()) > 2);
    assert_eq!(browser.script("return 40 + arguments[0]", json!([2])).await?, 42);
    let wrong = browser.script("return nowhere.at.all", json!([])).await.unwrap_err().to_string();
    assert!(wrong.contains("nowhere is not defined"), "{wrong}");
    // As when a test panics: nothing is told to anybody.
    drop(browser);
    eventually("its processes gone", Duration::from_secs(20), async || {
        Ok((running(dir.path()) == 0).then_some(()))
    })
    .await?;
    dir.close(Ok(()))
}

/// How many processes have this directory in their command lines.
fn running(dir: &Path) -> usize {
    let dir = dir.display().to_string();
    let lines = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = lines.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(&dir)).count()
}
