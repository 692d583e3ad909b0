//! The Lambda function `deliver-to-data-platform`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::deliver_to_data_platform::function())
}
