//! Credentials from where the AWS tools look for them, each on loopback; with what is found a backup goes through.

use crate::{
    aws_front::{AwsFront, assumed, denied, handed_out},
    boat::{Lifeboat, Ran},
    lab::{EtcdOptions, LabDir, S3, S3Options, fill, s3, with_etcd},
    s3_front::{Fate, S3Front},
};
use anyhow::Result;
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

/// A bucket, and a boat whose store it is, through a front that takes temporary credentials.
struct Bay {
    boat: Lifeboat,
    server: S3,
    front: S3Front,
    lab: LabDir,
}

/// `more` settings of the store go behind the endpoint.
async fn with_bay(more: &str, test: impl AsyncFnOnce(&Bay) -> Result<()>) -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        fill::etcd(&etcd.client().await?, 1, 5).await?;
        let lab = LabDir::new()?;
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
        server.bucket("bucket", false).await?;
        let front = S3Front::start(&server.endpoint(), |_, _| Fate::OfSession).await?;
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        boat.edit(|text| {
            let from = text.find("    url: \"").unwrap();
            let to = from + text[from..].find("\n#").unwrap();
            let store =
                format!("    url: \"s3://bucket\"\n    s3: {{endpoint: \"{}\"{more}}}\n", front.endpoint());
            format!("{}{store}{}", &text[..from], &text[to..])
        })?;
        let bay = Bay { boat, server, front, lab };
        test(&bay).await?;
        bay.lab.close(Ok(()))
    })
    .await
}

impl Bay {
    /// Runs the program with these variables, and with no other that would lead to credentials.
    async fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.boat.command(args);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.lab.path()).envs(variables.iter().copied());
        let ran: Ran = command.output().await.unwrap().into();
        assert!(!format!("{ran:?}").contains(s3::SECRET_KEY), "the secret is told");
        ran
    }

    /// A backup with these variables goes through.
    async fn saves(&self, variables: &[(&str, &str)]) {
        self.run(&["-vv", "backup", "--etcd-only"], variables).await.expect(0);
        self.run(&["verify", "--no-record"], variables).await.expect(0);
    }

    fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.lab.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

/// Nowhere to be found.
const NO_INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
const ROLE: &str = "arn:aws:iam::111122223333:role/backup";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_instance() -> Result<()> {
    with_bay("", async |bay| {
        let instance = AwsFront::start(|asked, _| match asked.line.as_str() {
            "PUT /latest/api/token" => (200, "instance-token".to_owned()),
            _ if !asked.headers.contains("x-aws-ec2-metadata-token: instance-token") => (401, String::new()),
            "GET /latest/meta-data/placement/region" => (200, s3::REGION.to_owned()),
            "GET /latest/meta-data/iam/security-credentials/" => (200, "the-role".to_owned()),
            "GET /latest/meta-data/iam/security-credentials/the-role" => (200, handed_out(3600)),
            _ => (404, String::new()),
        })
        .await?;
        bay.saves(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &instance.endpoint())]).await;
        assert!(instance.asked().iter().any(|asked| asked.line.ends_with("/the-role")));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_container_and_renewed_when_they_end() -> Result<()> {
    with_bay("", async |bay| {
        // They end at once: each is good for what is asked next, and no longer.
        let container =
            AwsFront::start(|asked, _| match asked.headers.contains("authorization: of-the-task") {
                true => (200, handed_out(1)),
                false => (403, "{}".to_owned()),
            })
            .await?;
        let uri = format!("{}/credentials", container.endpoint());
        let variables = [
            NO_INSTANCE,
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-task"),
        ];
        bay.run(&["backup", "--etcd-only"], &variables).await.expect(0);
        let asked = container.asked().len();
        assert!(asked > 2, "asked {asked} times");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_web_identity() -> Result<()> {
    with_bay("", async |bay| {
        let sts = AwsFront::start(|asked, _| match asked.says("WebIdentityToken", "token-of-the-pod") {
            true => (200, assumed("AssumeRoleWithWebIdentity")),
            false => (403, denied()),
        })
        .await?;
        let token = bay.write("token", "token-of-the-pod")?;
        let endpoint = sts.endpoint();
        let variables = [
            NO_INSTANCE,
            ("AWS_REGION", s3::REGION),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
        ];
        bay.saves(&variables).await;
        assert!(sts.asked().iter().all(|asked| asked.says("RoleArn", ROLE)));
        // Another pod's token: STS says no, and that is what is told.
        bay.write("token", "token-of-another")?;
        let ran = bay.run(&["list"], &variables).await.expect(1);
        ran.says("AccessDenied").says("not authorized to perform: sts:AssumeRole");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_profile_that_takes_on_a_role() -> Result<()> {
    with_bay(", profile: ops", async |bay| {
        let sts = AwsFront::start(|asked, _| {
            let signed = asked.headers.contains("credential=akidbase/");
            match signed && asked.says("RoleArn", ROLE) && asked.says("ExternalId", "lab-7") {
                true => (200, assumed("AssumeRole")),
                false => (403, denied()),
            }
        })
        .await?;
        let config = format!(
            "[profile ops]\nrole_arn = {ROLE}\nexternal_id = lab-7\nsource_profile = base\nregion = {}\n\
             services = lab\n[services lab]\nsts =\n  endpoint_url = {}\n",
            s3::REGION,
            sts.endpoint()
        );
        let credentials = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = of-the-base\n";
        bay.write(".aws/config", &config)?;
        bay.write(".aws/credentials", credentials)?;
        // Variables of somebody else do not matter.
        bay.saves(&[NO_INSTANCE, ("AWS_ACCESS_KEY_ID", "AKIDOTHER"), ("AWS_SECRET_ACCESS_KEY", "other")])
            .await;
        assert!(!sts.asked().is_empty());
        bay.write(".aws/config", &config.replace("lab-7", "lab-8"))?;
        let ran = bay.run(&["list"], &[NO_INSTANCE]).await.expect(1);
        ran.says("AccessDenied").says("not authorized to perform: sts:AssumeRole");
        // A profile that is not there.
        fs::remove_dir_all(bay.lab.path().join(".aws"))?;
        bay.run(&["list"], &[NO_INSTANCE]).await.expect(1).says("s3.profile");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_configuration_s_role() -> Result<()> {
    with_bay(
        &format!(", region: {}, assumeRole: {{arn: \"{ROLE}\", externalId: lab-7}}", s3::REGION),
        async |bay| {
            let sts = AwsFront::start(|asked, _| match asked.says("ExternalId", "lab-7") {
                true => (200, assumed("AssumeRole")),
                false => (403, denied()),
            })
            .await?;
            let endpoint = sts.endpoint();
            let variables = [
                NO_INSTANCE,
                ("AWS_ACCESS_KEY_ID", "AKIDBASE"),
                ("AWS_SECRET_ACCESS_KEY", "of-the-base"),
                ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
            ];
            bay.saves(&variables).await;
            let asked = sts.asked();
            assert!(asked.iter().all(|a| a.says("RoleSessionName", "lifeboat") && a.says("RoleArn", ROLE)));
            bay.boat.edit(|text| text.replace("lab-7", "lab-8"))?;
            let ran = bay.run(&["list"], &variables).await.expect(1);
            ran.says("AccessDenied").says("not authorized to perform: sts:AssumeRole");
            Ok(())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_process() -> Result<()> {
    with_bay(", profile: made", async |bay| {
        let answer = bay.write("answer.json", &handed_out(3600))?;
        let config = |command: &str| format!("[profile made]\ncredential_process = {command}\n");
        bay.write(".aws/config", &config(&format!("cat {answer}")))?;
        bay.saves(&[NO_INSTANCE]).await;
        bay.write(".aws/config", &config("sh -c 'echo the vault is sealed >&2; exit 3'"))?;
        bay.run(&["list"], &[NO_INSTANCE]).await.expect(1).says("the vault is sealed");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nowhere_is_said() -> Result<()> {
    with_bay("", async |bay| {
        bay.run(&["list"], &[NO_INSTANCE])
            .await
            .expect(1)
            .says("there are no credentials")
            .says("AWS_ACCESS_KEY_ID");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_kms_is_asked_for_with_every_object() -> Result<()> {
    let key = "arn:aws:kms:us-east-1:111122223333:key/8f5d7e1c";
    with_bay(&format!(", encryption: kms, kmsKey: \"{key}\", partSize: 5MiB"), async |bay| {
        let variables =
            [NO_INSTANCE, ("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY)];
        let written: Arc<Mutex<Vec<(bool, bool)>>> = Arc::default();
        let seen = written.clone();
        let front = S3Front::start(&bay.server.endpoint(), move |request, _| {
            if request.is("PutObject") || request.is("CreateMultipartUpload") {
                let has = |line: &str| request.headers.lines().any(|header| header == line);
                let own = format!("x-amz-server-side-encryption-aws-kms-key-id: {key}");
                seen.lock().unwrap().push((has("x-amz-server-side-encryption: aws:kms"), has(&own)));
            }
            Fate::Pass
        })
        .await?;
        bay.boat.edit(|text| text.replace(&bay.front.endpoint(), &front.endpoint()))?;
        bay.run(&["backup", "--etcd-only"], &variables).await.expect(0);
        let written = written.lock().unwrap().clone();
        assert!(written.len() >= 3 && written.iter().all(|both| *both == (true, true)), "{written:?}");
        // A key that is not there, or may not be used.
        let refusing = S3Front::start(&bay.server.endpoint(), |request, _| match request.is("PutObject") {
            true => Fate::Refuse(400, "KMS.NotFoundException"),
            false => Fate::Pass,
        })
        .await?;
        bay.boat.edit(|text| text.replace(&front.endpoint(), &refusing.endpoint()))?;
        let ran = bay.run(&["backup", "--etcd-only"], &variables).await.expect(1);
        ran.says("KMS.NotFoundException").says("s3.kmsKey");
        Ok(())
    })
    .await
}
