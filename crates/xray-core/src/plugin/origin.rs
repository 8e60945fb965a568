//! The origins of the SDK's own plugins: the member `origin` of a segment.

pub(super) const EC2: &str = "AWS::EC2::Instance";
pub(super) const ECS: &str = "AWS::ECS::Container";
pub(super) const EKS: &str = "AWS::EKS::Container";
pub(super) const ELASTIC_BEANSTALK: &str = "AWS::ElasticBeanstalk::Environment";
