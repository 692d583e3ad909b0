//! Creates the notifier that the template's parameters select.

use super::{NhnCloud, NhnCloudAccount, Notifier, Solapi, SolapiAccount};
use domain::{NotStarted, Variables};
use std::sync::Arc;

/// Creates the notifier that the variable `NOTIFIER` names.
pub fn open(env: &impl Variables) -> Result<Arc<dyn Notifier>, NotStarted> {
    let sender = env.require("SENDER_NUMBER")?;
    match env.require("NOTIFIER")?.as_str() {
        "SOLAPI" => {
            let account = SolapiAccount {
                api_key: env.require("SOLAPI_API_KEY")?,
                api_secret: env.require("SOLAPI_API_SECRET")?,
                pf_id: env.require("SOLAPI_PF_ID")?,
                sender,
            };
            Ok(Arc::new(Solapi::new(&env.require("SOLAPI_URL")?, account)?))
        }
        "NHN_CLOUD" => {
            let account = NhnCloudAccount {
                alimtalk_app_key: env.require("NHN_CLOUD_ALIMTALK_APP_KEY")?,
                alimtalk_secret_key: env.require("NHN_CLOUD_ALIMTALK_SECRET_KEY")?,
                sender_key: env.require("NHN_CLOUD_SENDER_KEY")?,
                sms_app_key: env.require("NHN_CLOUD_SMS_APP_KEY")?,
                sms_secret_key: env.require("NHN_CLOUD_SMS_SECRET_KEY")?,
                sender,
            };
            let (alimtalk, sms) =
                (env.require("NHN_CLOUD_ALIMTALK_URL")?, env.require("NHN_CLOUD_SMS_URL")?);
            Ok(Arc::new(NhnCloud::new(&alimtalk, &sms, account)?))
        }
        other => Err(format!("NOTIFIER must be SOLAPI or NHN_CLOUD, not {other}").into()),
    }
}
