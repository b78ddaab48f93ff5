use super::super::{InitOptions, TlsFiles, template};
use super::{KEY, OTHER_KEY, parse};

/// Every combination of what may be known.
fn combinations() -> Vec<InitOptions> {
    let set = |bits: u32, bit: u32, text: &str| (bits & (1 << bit) != 0).then(|| text.to_owned());
    let mut all = Vec::new();
    for bits in 0..1 << 9 {
        let unencrypted = bits & 2 != 0;
        let scheme = if unencrypted { "http" } else { "https" };
        let tls = TlsFiles { ca: "ca.crt".into(), cert: "c: #1.crt".into(), key: "a\"b\\.key".into() };
        all.push(InitOptions {
            cluster: set(bits, 0, "1.2"),
            etcd_endpoints: set(bits, 2, &format!("{scheme}://10.0.0.1:2379")).into_iter().collect(),
            etcd_tls: set(bits, 3, "").filter(|_| !unencrypted).map(|_| tls),
            kubeconfig: set(bits, 4, "/home/ünï/*config #1"),
            context: set(bits, 5, "yes"),
            store_url: set(bits, 6, "file:///srv/life%20boat"),
            recipients: set(bits, 7, KEY).into_iter().chain(set(bits, 7, OTHER_KEY)).collect(),
            public_key: set(bits, 8, &format!("RWQ{}", "z".repeat(53))),
            secret_key_file: set(bits, 8, "keys/lifeboat.key"),
            password_file: set(bits, 1, "pw"),
        });
    }
    all
}

fn switched_on(text: &str, which: &dyn Fn(usize) -> bool) -> (String, usize) {
    let (mut block, mut before) = (0, false);
    let mut out = String::new();
    for line in text.lines() {
        let setting = line.strip_prefix("#: ");
        block += usize::from(setting.is_some() && !before);
        before = setting.is_some();
        out.push_str(setting.filter(|_| which(block)).unwrap_or(line));
        out.push('\n');
    }
    (out, block)
}

fn must_parse(text: &str) -> super::Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_combination_parses_as_it_is_and_switched_on() {
    for options in combinations() {
        let text = template(&options);
        let config = must_parse(&text);
        assert_eq!(config.cluster.as_str(), options.cluster.as_deref().unwrap_or("my-cluster"));
        let context = options.context.as_deref();
        assert_eq!(config.kubernetes.context.as_deref(), context);
        let all = must_parse(&switched_on(&text, &|_| true).0);
        assert!(
            all.etcd.is_some() && all.encryption.is_some() && all.signing.is_some() && all.stores.len() == 3
        );
        assert!(all.resources.drop_managed_fields && !all.resources.include_namespaces.is_empty());
    }
}

#[test]
fn every_block_parses_alone() {
    for options in
        [InitOptions::default(), combinations().pop().unwrap(), combinations().remove((1 << 9) - 3)]
    {
        let text = template(&options);
        let (_, blocks) = switched_on(&text, &|_| false);
        assert!(blocks > 9);
        for chosen in 1..=blocks {
            must_parse(&switched_on(&text, &|block| block == chosen).0);
        }
    }
}

#[test]
fn known_values_are_filled_in() {
    let options = combinations().remove((1 << 9) - 3);
    let config = must_parse(&template(&options));
    let etcd = config.etcd.unwrap();
    assert_eq!(etcd.endpoints[0].as_str(), "https://10.0.0.1:2379");
    assert_eq!(etcd.tls.unwrap().key.unwrap().to_str(), Some("a\"b\\.key"));
    assert_eq!(config.kubernetes.kubeconfig.unwrap().to_str(), options.kubeconfig.as_deref());
    assert_eq!(config.stores[0].url.as_str(), "file:///srv/life%20boat");
    assert_eq!(config.encryption.unwrap().recipients.len(), 2);
    assert!(config.signing.unwrap().secret_key.is_some());
}

#[test]
fn lines_are_short_and_without_spaces_at_the_end() {
    for line in template(&InitOptions::default()).lines() {
        assert!(line.chars().count() <= 120 && line.trim_end() == line, "{line}");
    }
}
