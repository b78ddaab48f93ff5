//! The certificates with which an API server is spoken to.

use super::{Connection, KubeError, connect::configuration};
use crate::source::Renewable;
use ct_codecs::{Base64, Decoder};
use std::path::Path;

const CLIENT: &str = "kubernetes-client";
const AUTHORITY: &str = "kubernetes-ca";

impl Connection {
    /// The certificates of the kubeconfig's context, or of the pod: that of the client, and that of the authority which the server's is
    /// signed by. What a credential plugin would bring is not among them. Nobody is asked.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it cannot be used.
    pub async fn certificates(&self) -> Result<Vec<Renewable>, KubeError> {
        let config = configuration(self).await?;
        let kubeconfig = || match &self.kubeconfig {
            Some(path) => path.display().to_string(),
            None => "the kubeconfig".to_owned(),
        };
        let mut found = Vec::new();
        let user = &config.auth_info;
        if let Some(data) = &user.client_certificate_data {
            let place = format!("client-certificate-data of {}", kubeconfig());
            found.push(match Base64::decode_to_vec(data.trim(), None) {
                Ok(pem) => Renewable::in_pem(CLIENT, place, &pem),
                Err(_) => Renewable::unreadable(CLIENT, place, "it is not base64"),
            });
        } else if let Some(file) = &user.client_certificate {
            found.push(Renewable::in_file(CLIENT, Path::new(file)));
        }
        if let Some(file) = &config.root_cert_file {
            found.push(Renewable::in_file(AUTHORITY, file));
        } else if let Some(all) = &config.root_cert {
            let place = format!("the certificate authority of {}", kubeconfig());
            found.push(Renewable::in_der(AUTHORITY, place, all));
        }
        Ok(found)
    }
}
