//! The Lambda function `service-info`.

fn main() -> Result<(), edge::Error> {
    edge::run(&admin::service_info::function())
}
