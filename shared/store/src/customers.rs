//! Customers' profiles: how they are reached, and how many orders they have got.

use crate::{
    Customers, Item, Transaction, Write,
    item::{number, read, row, text, whole},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{CustomerId, Fault, OrderId, Timestamp, phone::MobileNumber};
use serde::{Deserialize, Serialize};

/// What is known of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerProfile {
    /// What the customer told of themselves, if anything.
    pub contact: Option<Contact>,
    /// How many orders they have got.
    pub completed_orders: u64,
}

/// How a customer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Their name.
    pub name: String,
    /// Their phone number, if they gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<MobileNumber>,
    /// Whether the phone is theirs: a code that was sent to it said so, or an operator did. Nothing else is sent to it before.
    #[serde(default)]
    pub phone_verified: bool,
    /// By which channels they want to be told.
    pub notify: Preferences,
}

impl Contact {
    /// The phone to which messages may go.
    pub fn verified_phone(&self) -> Option<&MobileNumber> {
        self.phone.as_ref().filter(|_| self.phone_verified)
    }
}

/// By which channels a customer wants to be told of their orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Preferences {
    /// By KakaoTalk (알림톡).
    pub kakao: bool,
    /// By SMS, where KakaoTalk does not reach them.
    pub sms: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { kakao: true, sms: true }
    }
}

/// An order that a customer has got: it counts once.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Completed<'a> {
    order_id: &'a OrderId,
    completed_at: Timestamp,
}

impl Customers<'_> {
    /// What is known of a customer; of one never seen, that they have got nothing.
    pub async fn get(self, id: &CustomerId) -> Result<CustomerProfile, Fault> {
        let row = self.0.get(&self.0.tables.customers, &keys::customer_profile(id)).await?;
        let Some(row) = row else { return Ok(CustomerProfile::default()) };
        Ok(CustomerProfile {
            completed_orders: completed_in(&row)?.unsigned_abs(),
            contact: row.contains_key("name").then(|| read(row)).transpose()?,
        })
    }

    /// Puts how a customer is reached in place of what was `seen`; tells whether that was still so. What is counted stays.
    pub async fn put_contact(self, id: &CustomerId, contact: &Contact, seen: Option<&Contact>) -> Result<bool, Fault> {
        let item: Item = serde_dynamo::to_item(contact).map_err(Fault::broken)?;
        let mut names = vec!["name", "notify", "phoneVerified"];
        names.extend(contact.phone.as_ref().map(|_| "phone"));
        let set = names.iter().map(|name| format!("#{name} = :{name}")).collect::<Vec<_>>().join(", ");
        let remove = if contact.phone.is_none() { " REMOVE #phone" } else { "" };
        let key = keys::customer_profile(id);
        let mut write =
            Write::update(&self.0.tables.customers, key, &format!("SET {set}{remove}")).name("#phone", "phone");
        for name in names {
            let value = item.get(name).cloned().unwrap_or(AttributeValue::Null(true));
            write = write.name(&format!("#{name}"), name).value(&format!(":{name}"), value);
        }
        let write = match seen.and_then(|seen| seen.phone.as_ref().map(|phone| (phone, seen.phone_verified))) {
            None => write.when("attribute_not_exists(#phone)"),
            Some((phone, verified)) => write
                .when("#phone = :seen AND #phoneVerified = :seenVerified")
                .value(":seen", text(phone.as_str()))
                .value(":seenVerified", AttributeValue::Bool(verified)),
        };
        Transaction::default().with(write, ()).commit_if_new(self.0).await
    }

    /// Counts an order that a customer has got, unless it was counted before; tells whether it was not.
    pub async fn count_completed(self, id: &CustomerId, order_id: &OrderId, at: Timestamp) -> Result<bool, Fault> {
        let table = self.0.tables.customers.as_str();
        let completed = row(&keys::completed(id, order_id), &Completed { order_id, completed_at: at })?;
        let count = "SET completedOrders = if_not_exists(completedOrders, :none) + :one";
        let count = Write::update(table, keys::customer_profile(id), count);
        Transaction::default()
            .with(Write::put(table, completed).when_new(), ())
            .with(count.value(":none", number(0)).value(":one", number(1)), ())
            .commit_if_new(self.0)
            .await
    }

    /// How many orders a customer is said to have got, and how many are counted.
    pub async fn completed_orders(self, id: &CustomerId) -> Result<(i64, i64), Fault> {
        let said = self.0.get(&self.0.tables.customers, &keys::customer_profile(id)).await?;
        let said = said.map_or(Ok(0), |row| completed_in(&row))?;
        let (pk, mut counted) = (keys::customer(id), 0);
        let table = self.0.tables.customers.as_str();
        let query = crate::read::Query { table, pk: &pk, prefix: keys::COMPLETED, newest_first: false };
        self.0
            .query_each(&query, |_| {
                counted += 1;
                Ok(())
            })
            .await?;
        Ok((said, counted))
    }

    /// Which of these orders are counted among those that their customers have got.
    pub async fn are_counted(self, orders: &[(CustomerId, OrderId)]) -> Result<Vec<bool>, Fault> {
        let table = self.0.tables.customers.as_str();
        let keys: Vec<_> = orders.iter().map(|(customer, order)| keys::completed(customer, order)).collect();
        let mut found = self.0.batch_get(keys.iter().map(|key| (table, key.clone()))).await?;
        Ok(keys.iter().map(|key| found.take(key).is_some()).collect())
    }
}

/// How many orders a profile's row counts.
pub(crate) fn completed_in(row: &Item) -> Result<i64, Fault> {
    if row.contains_key("completedOrders") { whole(row, "completedOrders") } else { Ok(0) }
}
