//! Stores: what is known of them, and whether they are open.

use crate::{
    Store, Transaction, Write,
    item::{read, row},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Fault, StoreId, store::StoreProfile};

impl Store {
    /// What is known of a store.
    pub async fn store_profile(&self, id: &StoreId) -> Result<Option<StoreProfile>, Fault> {
        self.get(&self.tables.products, &keys::store_profile(id)).await?.map(read).transpose()
    }

    /// What is known of some stores; those unknown are left out.
    pub async fn store_profiles(&self, ids: &[&StoreId]) -> Result<Vec<StoreProfile>, Fault> {
        let table = self.tables.products.as_str();
        let mut found = self.batch_get(ids.iter().map(|id| (table, keys::store_profile(id)))).await?;
        ids.iter().filter_map(|id| found.take(&keys::store_profile(id))).map(read).collect()
    }

    /// Puts what is known of a store in place of what was known: there is nothing to assert.
    pub async fn put_store_profile(&self, profile: &StoreProfile) -> Result<(), Fault> {
        let put = Write::put(&self.tables.products, row(&keys::store_profile(&profile.store_id), profile)?);
        Transaction::default().with(put, ()).commit_unconditional(self).await
    }

    /// Asserts that a store is open; one of which nothing is known is.
    pub fn check_open(&self, id: &StoreId) -> Write {
        Write::check(&self.tables.products, keys::store_profile(id))
            .when("attribute_not_exists(pk) OR #open = :true")
            .name("#open", "open")
            .value(":true", AttributeValue::Bool(true))
    }
}
