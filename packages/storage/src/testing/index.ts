export { pointClientAt } from './point-client-at.js';
export { startS3Server, type S3Request, type S3TestServer } from './s3-server.js';
