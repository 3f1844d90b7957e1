export { startS3Server, type S3Fault, type S3Request, type S3TestServer } from './s3-server.js';
