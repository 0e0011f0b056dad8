import { createCodec } from '../message/codec.ts'
import { ControlMessageSchema, ControlReplySchema } from './control-message.ts'

/** The codec of control messages. */
export const controlMessageCodec = createCodec('control message', ControlMessageSchema)
/** The codec of answers to control messages. */
export const controlReplyCodec = createCodec('control reply', ControlReplySchema)
