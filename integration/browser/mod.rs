//! A real browser, for the pages that Lifeboat writes and serves: Chromium without a window, driven through its `chromedriver`
//! (WebDriver of the W3C, and Chromium's own commands where that has none).
//!
//! It reaches files and loopback and nothing else. It ends with the value that stands for it, and with this program however
//! that ends.

mod driver;
mod looks;
mod works;

use crate::lab::{eventually, ports::Port, process::Process};
use anyhow::{Context, Result, bail, ensure};
use ct_codecs::{Base64, Decoder};
use driver::Driver;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the reader's system asks pages to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What a page is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A screen.
    Screen,
    /// Paper.
    Print,
}

/// A browser with one page.
pub struct Browser {
    driver: Driver,
    session: String,
    // After the session: it ends with its connections, and Chromium with it.
    _process: Process,
    _port: Port,
}

/// Paper of the size A4, in centimetres.
const A4: (f64, f64) = (21.0, 29.7);

impl Browser {
    /// Starts one that keeps its files in `dir`.
    ///
    /// # Errors
    /// When there is no Chromium, or it does not start: a test of a page is never passed without one.
    pub async fn start(dir: &Path) -> Result<Self> {
        let home = dir.join("browser");
        fs::create_dir_all(&home)?;
        let (chromium, chromedriver) = (program("chromium")?, program("chromedriver")?);
        let port = Port::claim()?;
        // What Chromium writes beside its profile goes where its home is.
        let mut args: Vec<String> = ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"]
            .map(|name| format!("{name}={}", home.display()))
            .to_vec();
        args.push(chromedriver.display().to_string());
        args.push(format!("--port={}", port.number()));
        let process = Process::start(&home, "chromedriver", &program("env")?, args)?;
        let driver = Driver::at(&port.to_string());
        eventually("chromedriver", Duration::from_secs(30), async || {
            process.alive()?;
            Ok(driver.get("/status").await.ok().filter(|status| status["ready"] == true))
        })
        .await?;
        let session = driver.post("/session", &capabilities(&chromium, &home)).await;
        let session = session.with_context(|| format!("{} does not start", chromium.display()))?;
        let id = session["sessionId"].as_str().context("a session has no id")?;
        Ok(Browser { session: format!("/session/{id}"), driver, _process: process, _port: port })
    }

    /// Ends it in order. Dropped, it is killed.
    pub async fn close(self) -> Result<()> {
        self.driver.delete(&self.session).await.map(drop)
    }

    /// Opens a page, and waits until it is loaded. What the console and the network had to tell before is forgotten.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.console().await?;
        self.requests().await?;
        self.post("url", &json!({"url": url})).await.map(drop)
    }

    /// Opens a file.
    pub async fn open_file(&self, path: &Path) -> Result<()> {
        let url = url::Url::from_file_path(path).ok().context("a file is opened by its absolute path")?;
        self.open(url.as_str()).await
    }

    /// How large the window is inside; it may be as narrow as a telephone.
    pub async fn size(&self, width: u32, height: u32) -> Result<()> {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", params).await?;
        let found = self.script("return innerWidth", json!([])).await?;
        ensure!(found == width, "the window is {found} wide and not {width}");
        Ok(())
    }

    /// What pages are told of who reads them.
    pub async fn emulate(&self, medium: Medium, scheme: Scheme) -> Result<()> {
        let medium = if medium == Medium::Print { "print" } else { "screen" };
        let scheme = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", json!({"media": medium, "features": features})).await?;
        let asked = format!("return matchMedia('{medium} and (prefers-color-scheme: {scheme})').matches");
        ensure!(self.script(&asked, json!([])).await? == true, "it is not {medium}, {scheme}");
        Ok(())
    }

    /// Runs the body of a function in the page, with `arguments`, and gives what it returns.
    pub async fn script(&self, body: &str, arguments: Value) -> Result<Value> {
        self.post("execute/sync", &json!({"script": body, "args": arguments})).await
    }

    /// Presses the key that goes on to the next thing that can be used.
    pub async fn tab(&self) -> Result<()> {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9});
            self.command("Input.dispatchKeyEvent", key).await?;
        }
        Ok(())
    }

    /// What was written to the console since it was last asked: by the page, and by the browser about it.
    pub async fn console(&self) -> Result<Vec<String>> {
        let told = self.log("browser").await?;
        let line = |entry: &Value| format!("{}: {}", text(&entry["level"]), text(&entry["message"]));
        Ok(told.iter().map(line).collect())
    }

    /// The URLs that were asked for since it was last asked, the page's own among them.
    pub async fn requests(&self) -> Result<Vec<String>> {
        let mut urls = Vec::new();
        for entry in self.log("performance").await? {
            let event: Value = serde_json::from_str(text(&entry["message"]))?;
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                urls.push(text(&event["params"]["request"]["url"]).to_owned());
            }
        }
        Ok(urls)
    }

    /// The whole page, also what is below the window, as PNG.
    pub async fn screenshot(&self, to: &Path) -> Result<()> {
        let whole = "const it = document.documentElement; return [innerWidth, it.scrollHeight]";
        let whole = self.script(whole, json!([])).await?;
        let clip = json!({"x": 0, "y": 0, "width": whole[0], "height": whole[1], "scale": 1});
        let params = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let shot = self.command("Page.captureScreenshot", params).await?;
        Ok(fs::write(to, decoded(&shot["data"])?)?)
    }

    /// The page as its reader prints it, on A4, with the margins that the page asks for.
    pub async fn pdf(&self, to: &Path) -> Result<()> {
        let page = json!({"width": A4.0, "height": A4.1});
        let printed = self.post("print", &json!({"page": page, "background": true})).await?;
        Ok(fs::write(to, decoded(&printed)?)?)
    }

    /// A command of Chromium's own (Chrome DevTools Protocol).
    async fn command(&self, name: &str, params: Value) -> Result<Value> {
        self.post("goog/cdp/execute", &json!({"cmd": name, "params": params})).await
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries = self.post("se/log", &json!({"type": kind})).await?;
        entries.as_array().cloned().context("a log is no list")
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.driver.post(&format!("{}/{path}", self.session), body).await
    }
}

fn capabilities(chromium: &Path, home: &Path) -> Value {
    let mut args: Vec<String> = [
        "--headless=new",
        // It sees the end of its driver, however that ends, and ends as well.
        "--remote-debugging-pipe",
        // Whatever is not on loopback is asked of a proxy at which nobody listens.
        "--proxy-server=http://127.0.0.1:9",
        "--proxy-bypass-list=127.0.0.1",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-sync",
        "--no-first-run",
        "--disable-breakpad",
        "--disable-gpu",
        // In containers that is often too small.
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
    ]
    .map(str::to_owned)
    .to_vec();
    args.push(format!("--user-data-dir={}", home.join("profile").display()));
    if rustix::process::getuid().is_root() {
        args.push("--no-sandbox".to_owned());
    }
    json!({"capabilities": {"alwaysMatch": {
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {"binary": chromium, "args": args},
    }}})
}

/// A program of Debian's, in `PATH`.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => bail!("{name} is not there: run scripts/setup chromium"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn decoded(base64: &Value) -> Result<Vec<u8>> {
    let decoded = Base64::decode_to_vec(text(base64), None);
    decoded.ok().filter(|bytes| !bytes.is_empty()).context("what the browser drew is not Base64")
}
