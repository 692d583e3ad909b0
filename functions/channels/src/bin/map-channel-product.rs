//! The Lambda function `map-channel-product`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::map_channel_product::function())
}
