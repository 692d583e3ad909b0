//! The Lambda function `list-channel-products`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::list_channel_products::function())
}
