//! Customer profiles: contact data, and the number of completed orders.

use crate::{
    Customers, Item, Transaction, Write,
    item::{number, read, row, text, whole},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{CustomerId, Fault, OrderId, Timestamp, phone::MobileNumber};
use serde::{Deserialize, Serialize};

/// A customer's profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerProfile {
    /// The contact data, if the customer has provided any.
    pub contact: Option<Contact>,
    /// The number of completed orders.
    pub completed_orders: u64,
}

/// A customer's contact data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// The customer's name.
    pub name: String,
    /// The mobile phone number, if provided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<MobileNumber>,
    /// Whether the phone number is verified, by a code sent to it or by an operator. An unverified
    /// number receives nothing but codes.
    #[serde(default)]
    pub phone_verified: bool,
    /// The channels on which the customer accepts notifications.
    pub notify: Preferences,
}

impl Contact {
    /// The phone number that may receive messages: only a verified one.
    pub fn verified_phone(&self) -> Option<&MobileNumber> {
        self.phone.as_ref().filter(|_| self.phone_verified)
    }
}

/// The channels on which a customer receives notifications of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Preferences {
    /// By KakaoTalk (알림톡).
    pub kakao: bool,
    /// By SMS, where KakaoTalk does not reach the customer.
    pub sms: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { kakao: true, sms: true }
    }
}

/// A completed order. Its row makes sure that it is counted once.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Completed<'a> {
    order_id: &'a OrderId,
    completed_at: Timestamp,
}

impl Customers<'_> {
    /// Reads a customer's profile. An unknown customer has the default profile.
    pub async fn get(self, id: &CustomerId) -> Result<CustomerProfile, Fault> {
        let row = self.0.get(&self.0.tables.customers, &keys::customer_profile(id)).await?;
        let Some(row) = row else { return Ok(CustomerProfile::default()) };
        Ok(CustomerProfile {
            completed_orders: completed_in(&row)?.unsigned_abs(),
            contact: row.contains_key("name").then(|| read(row)).transpose()?,
        })
    }

    /// Writes the contact data, if the phone number and its verification are unchanged since `seen`
    /// was read. Returns whether it was written. The counter of completed orders is left as it is.
    pub async fn put_contact(
        self,
        id: &CustomerId,
        contact: &Contact,
        seen: Option<&Contact>,
    ) -> Result<bool, Fault> {
        let item: Item = serde_dynamo::to_item(contact).map_err(Fault::broken)?;
        let mut names = vec!["name", "notify", "phoneVerified"];
        names.extend(contact.phone.as_ref().map(|_| "phone"));
        let set =
            names.iter().map(|name| format!("#{name} = :{name}")).collect::<Vec<_>>().join(", ");
        let remove = if contact.phone.is_none() { " REMOVE #phone" } else { "" };
        let key = keys::customer_profile(id);
        let mut write = Write::update(&self.0.tables.customers, key, &format!("SET {set}{remove}"))
            .name("#phone", "phone");
        for name in names {
            let value = item.get(name).cloned().unwrap_or(AttributeValue::Null(true));
            write = write.name(&format!("#{name}"), name).value(&format!(":{name}"), value);
        }
        let write = match seen
            .and_then(|seen| seen.phone.as_ref().map(|phone| (phone, seen.phone_verified)))
        {
            None => write.when("attribute_not_exists(#phone)"),
            Some((phone, verified)) => write
                .when("#phone = :seen AND #phoneVerified = :seenVerified")
                .value(":seen", text(phone.as_str()))
                .value(":seenVerified", AttributeValue::Bool(verified)),
        };
        Transaction::default().with(write, ()).commit_if_unchanged(self.0).await
    }

    /// Counts a completed order. Returns `false` if it was counted before.
    pub async fn count_completed(
        self,
        id: &CustomerId,
        order_id: &OrderId,
        at: Timestamp,
    ) -> Result<bool, Fault> {
        let table = self.0.tables.customers.as_str();
        let completed =
            row(&keys::completed(id, order_id), &Completed { order_id, completed_at: at })?;
        let count = "SET completedOrders = if_not_exists(completedOrders, :none) + :one";
        let count = Write::update(table, keys::customer_profile(id), count);
        Transaction::default()
            .with(Write::put(table, completed).when_new(), ())
            .with(count.value(":none", number(0)).value(":one", number(1)), ())
            .commit_if_unchanged(self.0)
            .await
    }

    /// A customer's counter of completed orders, and the number of rows of completed orders.
    pub async fn completed_orders(self, id: &CustomerId) -> Result<(i64, i64), Fault> {
        let counter = self.0.get(&self.0.tables.customers, &keys::customer_profile(id)).await?;
        let counter = counter.map_or(Ok(0), |row| completed_in(&row))?;
        let (pk, mut orders) = (keys::customer(id), 0);
        let table = self.0.tables.customers.as_str();
        let query =
            crate::read::Query { table, pk: &pk, prefix: keys::COMPLETED, newest_first: false };
        self.0
            .query_each(&query, |_| {
                orders += 1;
                Ok(())
            })
            .await?;
        Ok((counter, orders))
    }

    /// Whether each of these orders is counted as completed.
    pub async fn are_counted(self, orders: &[(CustomerId, OrderId)]) -> Result<Vec<bool>, Fault> {
        let table = self.0.tables.customers.as_str();
        let keys: Vec<_> =
            orders.iter().map(|(customer, order)| keys::completed(customer, order)).collect();
        let mut found = self.0.batch_get(keys.iter().map(|key| (table, key.clone()))).await?;
        Ok(keys.iter().map(|key| found.take(key).is_some()).collect())
    }
}

/// Reads the counter of completed orders from a profile's row.
pub(crate) fn completed_in(row: &Item) -> Result<i64, Fault> {
    if row.contains_key("completedOrders") { whole(row, "completedOrders") } else { Ok(0) }
}
